"""What tracking gives: sizes, wholeness, and whether numbers may be drawn from it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from framefall.tracking.trajectory import COVERAGE, Trajectory

Shoot = Callable[..., Any]


def test_partly_hidden_objects_do_not_count_as_whole(shoot: Shoot) -> None:
    shot = shoot("occluder", 0, 64)
    (one,) = shot.tracks().objects
    assert one.whole.any() and not one.whole.all()
    assert not (one.whole & ~shot.whole(shot.log.scene.bodies[0].name)[one.frames]).any()


def test_a_size_is_the_diameter_of_the_disc_of_the_whole_area() -> None:
    one = Trajectory(
        frames=np.arange(4),
        position=np.zeros((4, 2)),
        area=np.array([50.0, 50.0, 10.0, 54.0]),
        colour=np.zeros((4, 3)),
        shape=np.zeros((4, 4)),
        whole=np.array([True, True, False, True]),
    )
    assert one.size == pytest.approx(2 * (50 / np.pi) ** 0.5)
    never = replace(one, whole=np.zeros(4, bool))
    assert never.size == pytest.approx(2 * (50 / np.pi) ** 0.5)


@pytest.mark.parametrize(("coverage", "measurable"), [(COVERAGE, True), (COVERAGE - 0.01, False)])
def test_numbers_may_be_drawn_from_enough_coverage(shoot: Shoot, coverage: float, measurable: bool) -> None:
    tracks = shoot("occluder").tracks()
    assert replace(tracks, coverage=coverage).measurable == measurable
    assert not replace(tracks, coverage=1.0, objects=()).measurable


def test_tracks_lie_at_the_same_places_of_a_picture_of_another_size(shoot: Shoot) -> None:
    tracks = shoot("occluder", 0, 64).tracks()
    large = tracks.on(128, 192)
    assert (large.height, large.width, large.events) == (128, 192, tracks.events)
    for one, other in zip(tracks.objects, large.objects, strict=True):
        assert other.position == pytest.approx(one.position * [3, 2])
        assert other.size == pytest.approx(one.size * 6**0.5)

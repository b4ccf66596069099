"""Borders and occluders, known or found by the edge that cuts an object off."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from framefall.tracking.matte import Blob
from framefall.tracking.scenery import Scenery
from framefall.tracking.tracklet import Tracklet

Shoot = Callable[..., Any]


def test_an_occluder_nobody_told_of_is_found_by_its_edge(shoot: Shoot) -> None:
    shot = shoot("occluder", 0, 64)
    tracks = shot.blind()
    assert len(tracks.objects) == 1
    assert all(event.explained for event in tracks.events)
    assert "occlusion" in {event.kind for event in tracks.events}


def blob(left: float, top: float, right: float, bottom: float) -> Blob:
    area = float(np.pi / 4 * (right - left) * (bottom - top))
    place, box = ((left + right) / 2, (top + bottom) / 2), (float(left), float(top), float(right), float(bottom))
    return Blob(place, area, (50.0, 60.0, 40.0), np.zeros(3), np.zeros(4), box, 1, 1)


def test_what_touches_border_or_occluder_is_not_clear() -> None:
    scenery = Scenery(64, 64, [(30.0, 0.0, 40.0, 64.0)], 1)
    assert scenery.clears(blob(10, 10, 20, 20))
    assert not scenery.clears(blob(0, 10, 10, 20)) and scenery.at_border(blob(0, 10, 10, 20))
    assert not scenery.clears(blob(22, 10, 30, 20)) and not scenery.at_border(blob(22, 10, 30, 20))
    scenery.view = (15.0, 0.0)  # the view has gone on, so the occluder is seen farther left
    assert scenery.clears(blob(30, 10, 40, 20)) and not scenery.clears(blob(10, 10, 20, 20))


def test_who_goes_out_over_the_border_leaves_and_who_is_in_the_middle_does_not() -> None:
    scenery = Scenery(64, 64)
    out = np.array([66.0, 30.0])
    assert scenery.leaves(blob(58, 26, 64, 34), out, np.array([3.0, 0.0]), 4.0)
    assert not scenery.leaves(blob(28, 26, 36, 34), np.array([33.0, 30.0]), np.array([3.0, 0.0]), 4.0)
    assert scenery.enters(blob(0, 20, 6, 28)) and not scenery.enters(blob(20, 20, 28, 28))


def behind(width: float = 8.0) -> Tracklet:
    """An object that an upright edge at x = 30 cuts off, frame by frame."""
    one = Tracklet(born="start")
    for frame in range(12):
        left = 10.0 + 2 * frame
        right = min(left + width, 30.0)
        if right - left < 1:
            break
        one.add(frame, blob(left, 20.0, right, 28.0), right < 29)
    return one


def test_an_edge_that_cuts_an_object_off_is_an_occluder() -> None:
    scenery = Scenery(64, 64)
    assert scenery.hides(behind(), np.array([34.0, 24.0]), np.array([2.0, 0.0])) == 0
    left, _, right, _ = scenery.occluders[0]
    assert left == pytest.approx(30.0) and right > 38.0
    assert scenery.known == 0 and scenery.beside(blob(28, 20, 36, 28), "0", 2.0)
    # the control: what is seen whole to the last went behind nothing
    whole = Tracklet(born="start")
    for frame in range(8):
        whole.add(frame, blob(10.0 + 2 * frame, 20.0, 18.0 + 2 * frame, 28.0), True)
    assert Scenery(64, 64).hides(whole, np.array([28.0, 24.0]), np.array([2.0, 0.0])) is None


def test_a_known_occluder_hides_what_goes_behind_it() -> None:
    scenery = Scenery(64, 64, [(30.0, 10.0, 45.0, 40.0)], 1)
    assert scenery.hides(behind(), np.array([36.0, 24.0]), np.array([2.0, 0.0])) == 0
    assert len(scenery.occluders) == 1

"""Distances to the one future that is right, by known shifts; what is absent is as wrong as can be."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.evidence import gather
from framefall.physics.reference import displacement, final_displacement, velocity_error
from framefall.physics.truth import Truth
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


@pytest.mark.parametrize("diameters", [0.0, 0.5, 2.0])
def test_a_shift_is_as_many_diameters(clip: Clip, diameters: float) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    shift = np.array([diameters * 2 * truth.bodies[0].radius, 0.0])
    evidence = gather(replace(truth.ideal, objects=(replace(one, position=one.position + shift),)), truth)
    assert displacement(evidence)[0] == pytest.approx(diameters, abs=1e-3)
    assert final_displacement(evidence)[0] == pytest.approx(diameters, abs=1e-3)
    assert velocity_error(evidence)[0] < 1e-3  # a shift is no other velocity


@pytest.mark.parametrize(("factor", "error"), [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (2.0, 1.0)])
def test_a_velocity_is_wrong_by_its_factor(clip: Clip, factor: float, error: float) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    way = one.position[0] + factor * (one.position - one.position[0])
    camera = truth.camera[one.frames] * (factor - 1)  # the view's own way is taken out
    evidence = gather(replace(truth.ideal, objects=(replace(one, position=way + camera),)), truth)
    assert velocity_error(evidence)[0] == pytest.approx(error, abs=0.01)


def test_who_is_missing_is_a_pictures_height_away_and_does_not_move(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    nothing = gather(replace(truth.ideal, objects=(), events=()), truth)
    assert displacement(nothing)[0] == pytest.approx(64 / (2 * truth.bodies[0].radius))
    assert velocity_error(nothing)[0] == pytest.approx(1.0)


def test_given_frames_count_for_nothing_and_without_a_scene_nothing_is_known(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    wrong = one.position + np.where(one.frames < 10, 20.0, 0.0)[:, None]
    tracks = replace(truth.ideal, objects=(replace(one, position=wrong),))
    assert displacement(gather(tracks, replace(truth, given=10)))[0] < 1e-6 < displacement(gather(tracks, truth))[0]
    for law in (displacement, final_displacement, velocity_error):
        assert np.isnan(law(gather(tracks))[0])

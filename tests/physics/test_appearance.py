"""How objects look and how calmly they go, in bands that placebos stay within."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.appearance import AREA, COLOUR, MOST, PIXELS, identity, roughness
from framefall.physics.evidence import gather
from framefall.physics.laws import laws
from framefall.physics.truth import Truth
from framefall.tracking.trajectory import Tracks
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


def changed(truth: Truth, frames: np.ndarray, **offsets: object) -> Tracks:
    """The ideal tracks of a clip's first object, with some of its numbers moved in some of its frames."""
    one = truth.ideal.objects[0]
    moved = {}
    for name, offset in offsets.items():
        value = getattr(one, name).copy()
        value[frames] = value[frames] + offset if name != "area" else value[frames] * offset
        moved[name] = value
    return replace(truth.ideal, objects=(replace(one, **moved), *truth.ideal.objects[1:]))


def band(truth: Truth) -> float:
    """How much wider bands are for a small object."""
    return max(1.0, (PIXELS / truth.ideal.objects[0].size) ** 0.7)


@pytest.mark.parametrize(("bands", "value"), [(0.9, 0.0), (2.0, 1.0), (3.5, 2.5), (99.0, MOST)])
def test_identity_counts_bands_beyond_the_first(clip: Clip, bands: float, value: float) -> None:
    _, truth = clip("uniform", 1)
    later = np.arange(20, len(truth.ideal.objects[0].frames))
    painted = changed(truth, later, colour=np.array([0.0, bands * COLOUR * band(truth), 0.0]))
    assert identity(gather(painted, truth))[0] == pytest.approx(value)
    grown = changed(truth, later, area=np.exp(min(bands, 20.0) * AREA * band(truth)))
    assert identity(gather(grown, truth))[0] == pytest.approx(min(value, MOST))


def test_a_moment_of_another_colour_is_found_if_it_is_longer_than_a_twentieth(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    for frames, found in ((1, False), (8, True)):
        flash = changed(truth, np.arange(20, 20 + frames), colour=np.array([0.0, 50.0, 0.0]))
        assert (identity(gather(flash, truth))[0] > 1) == found


def test_roughness_of_a_fall_is_its_gravity_and_of_a_line_none(clip: Clip) -> None:
    log, truth = clip("projectile", 1)
    size = truth.ideal.objects[0].size
    exact = 64 * log.scene.gravity / 24**2 / size
    assert roughness(gather(truth.ideal, truth))[0] == pytest.approx(exact, rel=0.02)
    assert roughness(gather(clip("uniform", 1)[1].ideal))[0] < 1e-6


def test_a_still_thing_under_a_light_may_not_move_nor_change(clip: Clip) -> None:
    _, truth = clip("light", 0)
    every = np.arange(len(truth.ideal.objects[0].frames))
    assert laws(truth.ideal, truth, names=("lighting",))["lighting"].value == 0.0
    moved = changed(truth, every[30:], position=np.array([0.5 * truth.ideal.objects[0].size, 0.0]))
    assert laws(moved, truth, names=("lighting",))["lighting"].value == pytest.approx(0.45, abs=0.02)
    flicker = changed(truth, every[::3], colour=np.array([3 * COLOUR, 0.0, 0.0]))
    assert laws(flicker, truth, names=("lighting",))["lighting"].value > 1

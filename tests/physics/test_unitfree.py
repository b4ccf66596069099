"""Laws that know no unit and no clock: a clip played faster leaves them, and wrong physics moves them."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from examples import examples
from framefall.noise import Key
from framefall.physics.laws import laws
from framefall.physics.truth import Truth, ideal_tracks, project
from framefall.tracking.trajectory import Tracks
from framefall.worlds.engines.registry import simulate
from framefall.worlds.state import StateLog
from framefall.worlds.violations.registry import break_physics
from framefall.worlds.world import World

UNIT_FREE = ("galileo", "bounce_ratio", "equal_gravity", "time_symmetry", "sideways")

Clip = Callable[..., tuple[StateLog, Truth]]


def early(log: StateLog, name: str) -> StateLog:
    """A twin that breaks early: a violation of a last, tiny hop is to be seen by nobody."""
    twins = [break_physics(log, name, Key(0, "test", str(draw))) for draw in range(4)]
    return min(twins, key=lambda twin: twin.violation_time or 0.0)


def tracks_of(log: StateLog, truth: Truth) -> Tracks:
    return ideal_tracks(log, truth.frames, truth.fps, truth.height, truth.width)


def test_a_clip_twice_as_fast_moves_gravity_and_leaves_the_unit_free_laws() -> None:
    world = World(("double_drop",), "id")
    for index in range(2):
        log = world.log(index)
        truth = project(log, 61, 24.0, 64, 64)
        fast = replace(truth.ideal, fps=48.0)
        plain, twice = laws(truth.ideal), laws(fast)
        for name in UNIT_FREE:
            if math.isfinite(plain[name].value):
                assert twice[name].value == pytest.approx(plain[name].value, abs=0.02), name
        assert math.isfinite(plain["galileo"].value)
        assert math.isfinite(plain["equal_gravity"].value)
        known = laws(fast, replace(truth, fps=48.0, ideal=fast), names=("gravity",))["gravity"]
        assert known.value == pytest.approx(math.log(4), abs=0.05)


@pytest.mark.parametrize("violation", ["gravity_half", "linear_fall"])
def test_wrong_physics_moves_the_unit_free_laws(clip: Clip, violation: str) -> None:
    for index in range(examples(2, 3)):
        log, truth = clip("fall", index)
        scores = laws(tracks_of(early(log, violation), truth))
        found = [scores[name].value for name in UNIT_FREE if math.isfinite(scores[name].value)]
        assert max(found) > 0.15, (index, scores)


def test_a_share_of_gravity_for_one_of_two_is_told_by_its_logarithm(clip: Clip) -> None:
    log, truth = clip("double_drop", 0)
    one, two = truth.ideal.objects
    slow = project(simulate(replace(log.scene, gravity=0.7 * log.scene.gravity)), truth.frames, truth.fps, 64, 64)
    mixed = replace(truth.ideal, objects=(one, slow.ideal.objects[1]))
    valid, wrong = laws(truth.ideal, names=("equal_gravity",)), laws(mixed, names=("equal_gravity",))
    assert valid["equal_gravity"].value < 0.02
    assert wrong["equal_gravity"].value == pytest.approx(-np.log(0.7), abs=0.05)
    assert len(two.frames)

"""Every law speaks where the violation made for it is, and a smooth lie is found out."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from framefall.noise import Key
from framefall.physics.laws import LAWS, UNIT_FREE, laws
from framefall.physics.truth import Truth, ideal_tracks
from framefall.tracking.trajectory import Tracks
from framefall.worlds.state import StateLog
from framefall.worlds.violations.registry import VIOLATIONS, break_physics

Clip = Callable[..., tuple[StateLog, Truth]]

# what each violation must set off: the law, a scenario, and the least value
CATCHES: dict[str, tuple[str, str, float]] = {
    "teleport": ("continuity", "uniform", 0.5),
    "blink": ("permanence", "uniform", 0.05),
    "vanish": ("permanence", "uniform", 0.2),
    "duplicate": ("permanence", "uniform", 0.2),
    "colour_drift": ("identity", "fall", 0.5),
    "colour_switch": ("identity", "fall", 0.5),
    "shape_switch": ("identity", "collision", 0.3),
    "size_drift": ("identity", "fall", 0.5),
    "hidden_vanish": ("reappearance", "occluder", 9.0),
    "hidden_colour": ("reappearance_identity", "occluder", 0.5),
    "hidden_shape": ("reappearance_identity", "occluder", 0.3),
    "other_height": ("reappearance", "occluder", 0.4),
    "exit_late": ("reappearance_time", "occluder", 3.0),
    "reverse_behind": ("reappearance", "occluder", 0.5),
    "unentered": ("permanence", "occluder", 0.2),
    "gravity_flip": ("gravity", "fall", 0.3),
    "gravity_half": ("gravity", "fall", 0.1),
    "gravity_zero": ("gravity", "fall", 0.3),
    "gravity_double": ("gravity", "fall", 0.1),
    "linear_fall": ("gravity", "fall", 0.2),
    "superball": ("restitution", "fall", 0.1),
    "reversed_bounce": ("restitution", "fall", 0.1),
    "momentum_break": ("momentum", "collision", 0.1),
    "pass_through": ("solidity", "collision", 0.5),
    "merge": ("permanence", "collision", 0.05),
    "energy_injection": ("pendulum_energy", "pendulum", 0.3),
    "wrong_slide": ("ramp", "ramp", 0.2),
    "float": ("support", "fall", 0.05),
}


def early(log: StateLog, name: str) -> StateLog:
    """A twin that breaks early: a violation of a last, tiny hop is to be seen by nobody."""
    twins = [break_physics(log, name, Key(0, "test", str(draw))) for draw in range(4)]
    return min(twins, key=lambda twin: twin.violation_time or 0.0)


def tracks_of(log: StateLog, truth: Truth) -> Tracks:
    return ideal_tracks(log, truth.frames, truth.fps, truth.height, truth.width)


def auroc(good: list[float], bad: list[float]) -> float:
    """The chance that a broken clip has the larger error; a tie counts half."""
    one, two = np.array(good)[:, None], np.array(bad)[None]
    return float((two > one).mean() + 0.5 * (two == one).mean())


def test_every_violation_has_its_law() -> None:
    assert set(CATCHES) == set(VIOLATIONS)


@pytest.mark.parametrize("violation", list(CATCHES))
def test_a_violation_sets_off_its_law_and_not_before_it_happens(clip: Clip, violation: str) -> None:
    name, scenario, least = CATCHES[violation]
    seen = 0
    for index in range(6):
        if seen == 2:
            break
        log, truth = clip(scenario, index)
        if not VIOLATIONS[violation].applies(log):
            continue
        twin = early(log, violation)
        if violation in ("shape_switch", "hidden_shape") and _is_turn(twin):
            continue
        seen += 1
        broken = laws(tracks_of(twin, truth), truth, names=(name,))[name]
        valid = laws(truth.ideal, truth, names=(name,))[name]
        assert LAWS[name].error(broken.value) > least, (index, broken)
        assert LAWS[name].error(valid.value) < least / 4
    assert seen


def _is_turn(twin: StateLog) -> bool:
    """A box that becomes a diamond has turned, for all that moments tell."""
    shapes = {body.shape for body in twin.scene.bodies} | {
        look.shape for looks in (twin.looks or {}).values() for look in looks
    }
    return shapes <= {"box", "diamond"}


def test_a_straight_fall_is_told_by_physics_and_preferred_by_smoothness(clip: Clip) -> None:
    good, bad = [], []
    for index in range(6):
        log, truth = clip("fall", index)
        good.append(laws(truth.ideal, truth))
        bad.append(laws(tracks_of(early(log, "linear_fall"), truth), truth))
    tells = {name: auroc([x[name].value for x in good], [x[name].value for x in bad]) for name in LAWS}
    assert tells["gravity"] == 1.0
    assert tells["ballistic"] == 1.0
    assert tells["roughness"] < 0.5  # the lie is smoother


@pytest.mark.parametrize("violation", ["gravity_half", "linear_fall"])
def test_wrong_physics_moves_the_unit_free_laws(clip: Clip, violation: str) -> None:
    for index in range(3):
        log, truth = clip("fall", index)
        scores = laws(tracks_of(early(log, violation), truth))
        found = [scores[name].value for name in UNIT_FREE if math.isfinite(scores[name].value)]
        assert max(found) > 0.15, (index, scores)

"""Every law is silent where physics holds, speaks where it is broken, and says what it cannot know."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from examples import examples
from framefall.noise import Key
from framefall.physics.laws import LAWS, laws
from framefall.physics.truth import Truth, ideal_tracks
from framefall.tracking.trajectory import Tracks
from framefall.worlds.scenarios.registry import SCENARIOS
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


# every scenario at both rates, or at one of them by turns: a pour, which is slow to judge, at the lower
RATES = examples(
    [(s, 6 if s == "pour" else (24, 6)[at % 2]) for at, s in enumerate(SCENARIOS)],
    [(s, fps) for s in SCENARIOS for fps in (24, 6)],
)


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


@pytest.mark.parametrize(("scenario", "fps"), RATES)
def test_no_law_is_broken_where_physics_holds(clip: Clip, scenario: str, fps: int) -> None:
    for index in range(1 if scenario in ("pour", "billiards") else examples(1, 2)):
        _, truth = clip(scenario, index, fps)
        for name, score in laws(truth.ideal, truth).items():
            law = LAWS[name]
            assert law.passes(score.value), (scenario, index, name, score)
            if scenario in law.scenarios:
                assert score.coverage == 1.0
                if name not in ("reappearance_time", "solidity", "continuity"):
                    assert math.isnan(score.value) or law.error(score.value) < 0.01, (scenario, index, name, score)


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_every_law_of_a_scenario_can_be_measured_in_it(clip: Clip, scenario: str) -> None:
    indices = range(1 if scenario in ("pour", "billiards") else 2)
    missing = {name for name, law in LAWS.items() if scenario in law.scenarios}
    for index in indices:
        _, truth = clip(scenario, index, 6 if scenario == "pour" else 24)
        scores = laws(truth.ideal, truth, names=tuple(missing))
        missing -= {name for name in missing if math.isfinite(scores[name].value)}
        if not missing:
            break
    assert not missing


def test_every_violation_has_its_law() -> None:
    assert set(CATCHES) == set(VIOLATIONS)


@pytest.mark.parametrize("violation", list(CATCHES))
def test_a_violation_sets_off_its_law_and_not_before_it_happens(clip: Clip, violation: str) -> None:
    name, scenario, least = CATCHES[violation]
    seen = 0
    for index in range(6):
        if seen == examples(1, 2):
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
    for index in range(examples(3, 6)):
        log, truth = clip("fall", index)
        good.append(laws(truth.ideal, truth))
        bad.append(laws(tracks_of(early(log, "linear_fall"), truth), truth))
    tells = {name: auroc([x[name].value for x in good], [x[name].value for x in bad]) for name in LAWS}
    assert tells["gravity"] == 1.0
    assert tells["ballistic"] == 1.0
    assert tells["roughness"] < 0.5  # the lie is smoother


@pytest.mark.parametrize("scenario", ["fall", "collision", "pendulum", "ramp", "occluder", "stack", "light"])
def test_a_missing_object_fails_every_law_that_needed_it(clip: Clip, scenario: str) -> None:
    _, truth = clip(scenario, 0)
    nothing = replace(truth.ideal, objects=truth.ideal.objects[1:], events=())
    due, scores = laws(truth.ideal, truth), laws(nothing, truth)
    for name, law in LAWS.items():
        if math.isnan(due[name].value):
            assert math.isnan(scores[name].value)
        elif name == "permanence":
            assert scores[name].value < 0.8
        else:
            assert scores[name].value == law.worst, (name, scores[name])
    assert next(iter(scores.values())).coverage < 0.9


def test_without_a_scene_what_cannot_be_known_is_nan_with_a_reason(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    for name, score in laws(truth.ideal).items():
        if LAWS[name].needs == "state":
            assert math.isnan(score.value)
            assert score.reason == "the scene is not known"
        assert math.isfinite(score.value) or score.reason


def test_too_little_coverage_is_not_measurable_without_a_scene(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    for score in laws(replace(truth.ideal, coverage=0.4)).values():
        assert math.isnan(score.value)
        assert score.reason
    assert "60% must be" in laws(replace(truth.ideal, coverage=0.4))["gravity"].reason


def test_a_clip_in_which_nothing_was_found_gets_answers(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    empty = replace(truth.ideal, objects=(), events=(), coverage=0.0)
    assert all(math.isnan(score.value) for score in laws(empty).values())
    assert laws(empty, truth)["gravity"].value == LAWS["gravity"].worst
    one = replace(empty, frames=1, camera=np.zeros((0, 2)))
    assert all(math.isnan(score.value) for score in laws(one).values())


def test_nothing_due_is_not_applicable(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    scores = laws(truth.ideal, truth)
    assert math.isnan(scores["reappearance"].value)
    assert scores["reappearance"].reason == "not a law of fall"


def test_an_unknown_law_is_named(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    with pytest.raises(ValueError, match="a law must be one of permanence"):
        laws(truth.ideal, truth, names=("magic",))

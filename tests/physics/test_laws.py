"""Every law is silent where physics holds, fails where what it needs is missing, and says what it cannot know."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.laws import LAWS, UNIT_FREE, laws
from framefall.physics.truth import Truth, project
from framefall.tracking.trajectory import Tracks, Trajectory
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.state import StateLog
from framefall.worlds.world import World

Clip = Callable[..., tuple[StateLog, Truth]]


@pytest.mark.parametrize("fps", [24, 6])
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_no_law_is_broken_where_physics_holds(clip: Clip, scenario: str, fps: int) -> None:
    indices = range(1 if scenario in ("pour", "billiards") else 2)
    for index in indices:
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
    found = [laws(truth.ideal, truth) for _, truth in (clip(scenario, index) for index in indices)]
    for name, law in LAWS.items():
        if scenario in law.scenarios:
            assert any(math.isfinite(scores[name].value) for scores in found), name


def test_an_elastic_collision_run_backwards_is_physics_and_a_lossy_one_is_not(clip: Clip) -> None:
    elastic = lossy = 0
    for index in range(8):
        log, truth = clip("collision", index)
        scores = laws(_backwards(truth.ideal), _reversed(truth))
        if log.scene.restitution == 1.0:
            elastic += 1
            for name in ("restitution", "momentum", "energy", "solidity", "continuity", "permanence"):
                assert LAWS[name].error(scores[name].value) < 0.02, (index, name, scores[name])
        elif log.scene.restitution < 0.9:
            lossy += 1
            assert scores["restitution"].value > 0.1
            assert scores["momentum"].value < 0.02  # momentum does not know which way time goes
    assert elastic
    assert lossy


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


def test_partly_hidden_places_do_not_count_as_motion(clip: Clip) -> None:
    """A tracker sees the centre of what is left of a body: half a diameter off beside a screen."""
    _, truth = clip("occluder", 0)
    (one, *rest) = truth.ideal.objects
    assert not one.whole.all()
    shifted = one.position + np.where(one.whole, 0.0, 0.4 * one.size)[:, None] * (1.0, 0.0)
    scores = laws(replace(truth.ideal, objects=(replace(one, position=shifted), *rest)), truth)
    for name in ("ballistic", "sideways", "reappearance", "continuity"):
        assert scores[name].value < 0.01, (name, scores[name])


@pytest.mark.parametrize(("noise", "strict"), [(0.05, True), (3.0, False)])
def test_a_tracker_s_noise_is_forgiven_and_a_jitter_is_not(clip: Clip, noise: float, strict: bool) -> None:
    generator = np.random.default_rng(3)
    _, truth = clip("projectile", 1)
    one = truth.ideal.objects[0]
    shaken = replace(one, position=one.position + generator.normal(0, noise, one.position.shape))
    scores = laws(replace(truth.ideal, objects=(shaken,)), truth)
    names = ("gravity", "ballistic", "restitution", "continuity", "sideways")
    assert all(LAWS[name].passes(scores[name].value) for name in names) == strict
    if strict:
        assert scores["gravity"].value < 0.03


def test_an_unknown_law_is_named(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    with pytest.raises(ValueError, match="a law must be one of permanence"):
        laws(truth.ideal, truth, names=("magic",))


def test_tracks_of_another_clip_are_refused(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    with pytest.raises(ValueError, match="the same frames"):
        laws(replace(truth.ideal, frames=12), truth)
    with pytest.raises(ValueError, match="the same size"):
        laws(replace(truth.ideal, width=32), truth)


def _backwards(tracks: Tracks) -> Tracks:
    def turn(one: Trajectory) -> Trajectory:
        return Trajectory(
            frames=tracks.frames - 1 - one.frames[::-1],
            position=one.position[::-1] + tracks.camera[one.frames[::-1]],
            area=one.area[::-1],
            colour=one.colour[::-1],
            shape=one.shape[::-1],
            whole=one.whole[::-1],
        )

    still = np.zeros((0, 2))
    return replace(tracks, objects=tuple(turn(one) for one in tracks.objects), events=(), camera=still)


def _reversed(truth: Truth) -> Truth:
    """The scene of the same clip run backwards: physical if its restitution is 1."""
    last = (truth.frames - 1) / truth.fps
    bodies = tuple(
        replace(
            body,
            position=body.position[::-1],
            velocity=-body.velocity[::-1],
            visible=body.visible[::-1],
            contact_times=tuple(last - time for time in body.contact_times[::-1]),
        )
        for body in truth.bodies
    )
    return replace(truth, bodies=bodies, ideal=_backwards(truth.ideal), camera=np.zeros_like(truth.camera))

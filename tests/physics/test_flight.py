"""Gravity, parabolas and bounces, by known factors; and noise that is forgiven."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.evidence import gather
from framefall.physics.flight import falls, rebound
from framefall.physics.laws import LAWS, laws
from framefall.physics.truth import Truth, project
from framefall.worlds.engines.registry import simulate
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


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


@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_gravity_is_off_by_the_logarithm_of_the_factor(clip: Clip, factor: float) -> None:
    log, truth = clip("fall", 1)
    other = project(simulate(replace(log.scene, gravity=factor * log.scene.gravity)), truth.frames, truth.fps, 64, 64)
    found = laws(other.ideal, truth, names=("gravity", "ballistic"))
    assert found["gravity"].value == pytest.approx(abs(np.log(factor)), abs=0.01)
    assert found["gravity"].reason == ("falls too slowly" if factor < 1 else "falls too fast")
    assert found["ballistic"].value < 0.01  # a parabola all the same


def test_restitution_is_off_by_the_difference(clip: Clip) -> None:
    log, truth = clip("fall", 1)
    true = log.scene.restitution
    for wrong in (true - 0.2, true + 0.1):
        other = project(simulate(replace(log.scene, restitution=wrong)), truth.frames, truth.fps, 64, 64)
        assert laws(other.ideal, truth, names=("restitution",))["restitution"].value == pytest.approx(
            abs(wrong - true), abs=0.02
        )
    evidence = gather(truth.ideal, truth)
    told = [e for point in evidence.changepoints("bounce") if (e := rebound(evidence, point)) is not None]
    assert told == [pytest.approx(true, abs=0.02)] * len(told) and told


def test_what_bends_sideways_changes_a_share_of_its_speed(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    times = one.frames / truth.fps
    speed = float(np.linalg.norm(truth.bodies[0].velocity[0]))
    across = np.array([-truth.bodies[0].velocity[0, 1], truth.bodies[0].velocity[0, 0]]) / speed
    bent = replace(one, position=one.position + 0.5 * 0.2 * speed * times[:, None] ** 2 * across)
    found = laws(replace(truth.ideal, objects=(bent,)), truth, names=("sideways",))["sideways"].value
    seen = float(np.ptp(times[one.whole]))
    assert found == pytest.approx(0.2 * seen, rel=0.1)  # in that time the velocity turns by so much of the speed
    assert laws(truth.ideal, truth, names=("sideways",))["sideways"].value < 0.005


def test_falls_are_in_pixels_a_second_squared(clip: Clip) -> None:
    log, truth = clip("projectile", 1)
    found = falls(gather(truth.ideal, truth))
    assert found and all(g == pytest.approx(64 * log.scene.gravity, rel=0.01) for g, _ in found)
    assert falls(gather(truth.ideal)) and falls(gather(clip("uniform", 1)[1].ideal)) == []

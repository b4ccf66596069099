"""Pendulums, slopes and stacks: what comes of them, by known factors."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from examples import examples
from framefall.physics.laws import laws
from framefall.physics.truth import project
from framefall.worlds.engines.registry import simulate


@pytest.mark.parametrize("factor", [0.8, 1.21])
def test_the_period_goes_with_the_square_root_of_gravity(clip: Callable[..., tuple], factor: float) -> None:
    for index in range(2):
        log, truth = clip("pendulum", index)
        other = simulate(replace(log.scene, gravity=factor * log.scene.gravity))
        scores = laws(project(other, truth.frames, truth.fps, 64, 64).ideal, truth)
        assert scores["pendulum_period"].value == pytest.approx(abs(math.log(factor)) / 2, abs=0.005)
        assert scores["rod_length"].value < 1e-3


def test_an_acceleration_down_a_slope_goes_with_gravity(clip: Callable[..., tuple]) -> None:
    for index in range(2):
        log, truth = clip("ramp", index)
        other = simulate(replace(log.scene, gravity=1.3 * log.scene.gravity))
        score = laws(project(other, truth.frames, truth.fps, 64, 64).ideal, truth)["ramp"]
        assert score.value == pytest.approx(math.log(1.3), abs=0.01)


def test_a_stack_that_does_the_other_thing_is_wrong(clip: Callable[..., tuple]) -> None:
    outcomes = {}
    for index in range(6):
        if len(outcomes) == 2 and not examples(0, 1):
            break
        log, truth = clip("stack", index)
        outcomes[log.scene.attributes.outcome] = truth
        assert laws(truth.ideal, truth)["outcome"].value == 0.0
        said = log.scene.attributes
        wrong = replace(said, outcome="stands" if said.outcome == "topples" else "topples")
        assert laws(truth.ideal, truth, wrong)["outcome"].value == 1.0
    assert set(outcomes) == {"stands", "topples"}

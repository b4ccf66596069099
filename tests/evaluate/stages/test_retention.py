"""What temporal super-resolution keeps of physics: known answers for a perfect stage, a blend, and a broken one."""

from collections.abc import Iterator

import pytest
from torch import Tensor

from framefall.evaluate.stages.retention import Retention, TemporalUpsample, along_flow, blend, retention
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases

FACTOR = 4
PROTOCOL = Protocol(scenarios=("fall",), clips=2, frames=25, fps=24.0, size=48)


@pytest.fixture(scope="module")
def falls() -> list[Case]:
    return list(cases(PROTOCOL, "id"))


def perfect(falls: list[Case]) -> TemporalUpsample:
    answers: Iterator[Tensor] = iter([case.video for case in falls])
    return lambda keys, fps: next(answers)


@pytest.fixture(scope="module")
def blended(falls: list[Case]) -> Retention:
    return retention(falls, blend(FACTOR), FACTOR)


def test_a_perfect_stage_keeps_everything(falls: list[Case]) -> None:
    found = retention(falls, perfect(falls), FACTOR)
    assert (found.sag_recovery.value, found.ghosts.value, found.gravity.value) == (1.0, 0.0, 1.0)
    assert all(value.value == 0 for value in found.laws.values() if value.n)


def test_a_blend_recovers_no_sag_and_shows_ghosts(blended: Retention) -> None:
    assert abs(blended.sag_recovery.value) < 0.1  # the middle of two halves is on the line
    assert blended.ghosts.value > 0.03
    assert blended.gravity.value < 0.5


def test_a_stage_that_repeats_key_frames_is_worse_than_the_line(falls: list[Case], blended: Retention) -> None:
    repeated = retention(falls, lambda keys, _: keys.repeat_interleave(FACTOR, dim=2), FACTOR)
    assert repeated.sag_recovery.value < blended.sag_recovery.value - 0.5


def test_optical_flow_fades_less_than_a_blend(falls: list[Case], blended: Retention) -> None:
    assert retention(falls[:1], along_flow(FACTOR), FACTOR).ghosts.value < blended.ghosts.value


def test_what_falls_evenly_without_sag_is_not_measurable() -> None:
    floating = list(cases(Protocol(scenarios=("uniform",), clips=1, frames=13, fps=24.0, size=48), "id"))
    assert retention(floating, blend(FACTOR), FACTOR).sag_recovery.n == 0

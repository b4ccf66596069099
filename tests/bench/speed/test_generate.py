"""The command in processes of its own, on the toy cascade; what is made of the figures is checked on made up ones."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import forking

from framefall.bench.speed import generate
from framefall.bench.speed.generate import BESIDE, CASES, Case, Run, generate_bench, matmul_rate, stage_flops, untrained
from framefall.bench.speed.timing import flops
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.recipes.registry import RECIPES

IDLE = Case("idle")


@pytest.fixture(scope="module")
def found(trained: Path) -> dict[str, Any]:
    """A round of the toy, alone and beside a core that is asked to be busy; that it is then, `test_busy.py` sees to."""
    asked = []

    @contextmanager
    def busy(count: int) -> Iterator[None]:
        asked.append(count)
        yield

    with forking(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "busy_cores", busy)
        done = generate_bench(str(trained), 1, (IDLE, Case("beside_one")))
    assert asked == [0, 1, 0]  # there is no case beside two
    return done


@pytest.mark.slow  # the command in processes of its own; what is made of the figures is below
def test_every_stage_and_the_whole_command_have_their_seconds(found: dict[str, Any], trained: Path) -> None:
    stages = [stage.name for stage in load_cascade(trained).stages]
    for case in ("fast_idle", "fast_beside_one"):
        row = found["results"][case]
        assert list(row["seconds"]) == stages
        inside = sum(row["seconds"][name]["median"] for name in stages)
        assert inside == pytest.approx(row["stages_seconds"]["median"])
        assert 0 < inside < row["whole_seconds"]["median"]
    assert found["results"]["others_cores"]["median"] >= 0


@pytest.mark.slow
def test_every_case_that_is_measured_has_its_ratios(found: dict[str, Any]) -> None:
    expected = {"seconds_over_matmul_floor", "real_time", "beside_one_over_idle", "stages_beside_one_over_idle"}
    assert found["ratios"].keys() == expected
    assert all(0 < one["low"] <= one["median"] <= one["high"] for one in found["ratios"].values())


@pytest.mark.slow
def test_the_floor_is_the_operations_of_the_stages(found: dict[str, Any], trained: Path) -> None:
    by_stage = found["results"]["gflops_a_clip"]["fast"]
    cascade = load_cascade(trained)
    request = Request(generate.PROMPT)
    cascade.sample(request)  # the caption is encoded once
    assert sum(by_stage.values()) == pytest.approx(flops(lambda: cascade.sample(request)) / 1e9)
    assert all(value > 0 for value in by_stage.values())
    row, rate = found["results"]["fast_idle"], found["results"]["matmul_gflops_a_second"]["median"]
    over = row["stages_seconds"]["median"] / (sum(by_stage.values()) / rate)
    assert found["ratios"]["seconds_over_matmul_floor"]["median"] == pytest.approx(over)


def test_both_waits_and_all_loads_are_among_the_cases() -> None:
    assert {case.beside for case in CASES} == set(BESIDE) and {case.wait for case in CASES} == {"passive", "active"}
    assert len({generate._key(case) for case in CASES}) == len(CASES)


def test_ratios_compare_runs_of_the_same_round() -> None:
    def runs(*seconds: float) -> list[Run]:
        return [Run(whole=one + 1, stages={"base": one / 2, "spatial_sr": one / 2}, clip=2.0) for one in seconds]

    made = {
        IDLE: runs(1.0, 2.0),
        Case("idle", wait="active"): runs(2.0, 8.0),
        Case("beside_two"): runs(3.0, 5.0),
        Case("idle", "best"): runs(4.0, 4.0),
    }
    ratios = generate._ratios(made, [10.0, 20.0], {"fast": 5, "best": 80})
    assert {name: one["median"] for name, one in ratios.items()} == {
        "seconds_over_matmul_floor": (1 / 0.5 + 2 / 0.25) / 2,
        "real_time": (2 / 1 + 2 / 2) / 2,
        "passive_over_active_idle": (1 / 2 + 2 / 8) / 2,
        "beside_two_over_idle": (4 / 2 + 6 / 3) / 2,
        "stages_beside_two_over_idle": (3 / 1 + 5 / 2) / 2,
        "seconds_over_matmul_floor_best": (4 / 8 + 4 / 4) / 2,
        "real_time_best": 2 / 4,
    }


@pytest.mark.slow
def test_a_recipe_is_measured_with_fresh_weights(tmp_path: Path) -> None:
    folder = generate._model("micro", tmp_path)
    made, expected = load_cascade(folder), RECIPES["micro"]().stages
    assert [stage.config for stage in made.stages] == [part.stage for part in expected.values()]
    assert generate._model("pico", tmp_path) == "pico"  # that one is shipped
    best, fast = (stage_flops(untrained("micro"), quality) for quality in ("best", "fast"))
    assert best["base"] > 5 * fast["base"] and best["spatial_sr"] == fast["spatial_sr"]


def test_a_command_that_fails_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (refusing := tmp_path / "python").write_text("#!/bin/sh\necho first >&2\necho 'a model must be one' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(refusing))
    with pytest.raises(RuntimeError, match=r"framefall generate failed: \['a model must be one'\]"):
        generate.run(IDLE, "nothing", tmp_path / "a.mp4")


def test_a_rate_is_measured() -> None:
    assert 1e8 < matmul_rate() < 1e15 and torch.get_num_threads() >= 1

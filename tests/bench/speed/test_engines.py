"""Engines beside each other on the smallest of the shipped networks."""

import importlib.util
from collections.abc import Iterator

import jaxtyping
import pytest
import torch

from framefall.bench.speed import engines
from framefall.bench.speed.engines import EAGER, engines_bench

SMALL = {"spatial_sr": lambda: engines._shipped("spatial_sr", 2, 32)}


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """While a network is traced its sizes are no integers, which the checks of shapes do not know."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def test_each_engine_has_its_time_and_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "CASES", SMALL)
    chosen = ("eager_float32", EAGER, "openvino_float32", "openvino_bfloat16")
    found = engines_bench(0.1, engines=chosen)
    rows = found["results"]["spatial_sr"]
    assert set(rows) == set(chosen)
    assert rows["eager_float32"]["relative_l2_error"] == 0
    assert 0 < rows[EAGER]["relative_l2_error"] < 0.02  # eight bits of a number's twenty-four
    there = importlib.util.find_spec("openvino") is not None
    for name in chosen[2:]:
        assert ("ms" in rows[name]) is there
        assert ("ModuleNotFoundError" in rows[name].get("failed", "")) is not there
    ratio = found["ratios"]["spatial_sr_eager_bfloat16_over_eager_float32"]
    assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]


def test_a_fresh_network_has_no_weight_that_hides_an_error() -> None:
    before = torch.random.get_rng_state()
    network, inputs = engines._fresh(engines.UNetConfig(dim=8, head_dim=8), 2, 16)
    assert all(parameter.any() for parameter in network.parameters())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert inputs[0].shape == (1, 3, 2, 16, 16)

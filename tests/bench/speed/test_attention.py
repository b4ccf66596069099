import json
from typing import Any

import pytest
import torch

from framefall.bench.speed import attention as attention_bench

MODES = [f"{mode}_{name}" for mode in ("forward", "training") for name in ("float32", "bfloat16")]


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """A short run: one round, on fewer tokens and heads, beside a smaller product."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention_bench, "_SQUARE", 256)
        patch.setattr(attention_bench, "_WIDE", 1 << 20)
        patch.setattr(attention_bench, "_TOKENS", 1024)
        patch.setattr(attention_bench, "HEADS", 2)
        patch.setattr(attention_bench, "HEAD_DIM", 16)  # for which other tests compile the kernel too
        patch.setattr(attention_bench, "_LOOK", 0.002)
        return attention_bench.attention_bench(0.01, (16,), rounds=1)


@pytest.mark.slow  # a benchmark whole; that work and memory grow with the clip is in `tests/layers`
def test_every_ratio_has_its_spread(measured):
    assert measured["ratios"].keys() > {*MODES, "forward_memory", "training_memory"}
    assert measured["ratios"]["sparse_1024_over_64"] == measured["ratios"]["forward_float32"]["sparse_1024_over_64"]
    for ratios in (measured["ratios"][name] for name in (*MODES, "forward_memory", "training_memory")):
        for ratio in ratios.values():
            assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    json.dumps(measured)


@pytest.mark.slow
def test_a_window_costs_the_clip_and_not_its_square(measured):
    for mode in MODES:
        ratios = measured["ratios"][mode]
        # a single round on a busy machine: 16 is linear and 256 the square
        assert ratios["sparse_1024_over_64"]["median"] < 40 < ratios["full_1024_over_64"]["median"]
        assert ratios["full_over_sparse_at_1024"]["median"] > 2
    for mode in ("forward", "training"):
        assert measured["ratios"][f"{mode}_memory"]["sparse_1024_over_64"]["median"] <= 18


def test_memory_is_what_is_alive_at_once():
    def job() -> None:
        kept = torch.ones(1000)
        for _ in range(5):
            kept = kept + 1.0  # the one before is freed

    assert attention_bench._peak(job) == 8000  # two of a thousand float32


@pytest.mark.slow  # so they are after the limits, in `test_limits.py`
def test_threads_are_as_they_were(monkeypatch):
    monkeypatch.setattr(attention_bench, "_TOKENS", 64)
    monkeypatch.setattr(attention_bench, "_ceilings", dict)
    monkeypatch.setattr(attention_bench, "HEADS", 1)
    monkeypatch.setattr(attention_bench, "HEAD_DIM", 16)
    before = torch.get_num_threads()
    run = attention_bench.attention_bench.events(0.01, (16,))
    next(run)
    next(run)
    run.close()
    assert torch.get_num_threads() == before

"""The benchmark of limits on a few small things."""

from functools import partial

import pytest
import torch
from torch import nn

from framefall.bench.speed import limits


def test_rates_fractions_and_gains_have_their_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    def products() -> dict[str, limits.Probe]:
        x = {name: torch.randn(64, 64).to(dtype) for name, dtype in limits.DTYPES.items()}
        return {f"square_{name}": (partial(torch.matmul, one, one), 2 * 64**3) for name, one in x.items()}

    small = {"matmul": products, "convolution": dict, "memory": limits._memory}
    monkeypatch.setattr(limits, "PROBES", small)
    monkeypatch.setattr(limits, "SIZES", (2**20,))
    monkeypatch.setattr(limits, "LAYERS", {"linear": lambda: (nn.Linear(64, 64), (torch.randn(64, 64),))})
    threads = torch.get_num_threads()
    found = limits.limits_bench(0.02)
    assert torch.get_num_threads() == threads
    assert set(found["results"]) == {*small, "fraction_of_ceiling"}
    spreads = [*found["results"]["matmul"].values(), *found["results"]["memory"].values(), *found["ratios"].values()]
    spreads += [row["fraction_of_ceiling"] for row in found["results"]["fraction_of_ceiling"]["linear"].values()]
    assert len(spreads) == 2 + 3 + 1 + 2
    assert all(0 < one["low"] <= one["median"] <= one["high"] for one in spreads)

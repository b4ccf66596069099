"""What bounds a layer, where the answer is known."""

import pytest
import torch
from torch import nn

from framefall.bench.speed.layers import LAYERS, Ceiling, share
from framefall.bench.speed.timing import spread

SECOND = spread([1.0])


def test_a_linear_layer_is_bounded_by_what_is_scarce() -> None:
    layer = nn.Linear(32, 64, bias=False), (torch.randn(128, 32),)
    work, moved = 2 * 128 * 32 * 64, 4 * (128 * 32 + 32 * 64 + 128 * 64)
    with torch.no_grad():
        for limit, bound, fraction in (
            (Ceiling(10.0 * work, {1: 1e12}), "products", 0.1),
            (Ceiling(1e12, {1: 5.0 * moved}), "memory", 0.2),
        ):
            row = share(layer, SECOND, limit)
            assert row["bound"] == row["bound_step_by_step"] == bound
            assert row["fraction_of_ceiling"]["median"] == pytest.approx(fraction)
            assert row["flops_a_byte"] == pytest.approx(work / moved)


def test_step_by_step_the_passes_between_count_and_views_do_not() -> None:
    x = torch.randn(64, 64)
    limit = Ceiling(1e12, {1: float(4 * x.numel())})  # a second to read or write it once
    for call, passes in (
        (lambda x: x.t().view(64, 64, 1)[..., 0], 0),
        (lambda x: x.square(), 2),
        (lambda x: x.square().sqrt(), 4),
    ):
        assert share((call, (x,)), SECOND, limit)["fraction_step_by_step"] == pytest.approx(passes)


COMPILED = [name for name in LAYERS if "l_attention" in name]  # for their heads and for their windows: seconds


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in COMPILED)) for name in LAYERS])
def test_every_layer_has_work_to_measure(name: str) -> None:
    with torch.no_grad():
        row = share(LAYERS[name](), SECOND, Ceiling(1e9, {2**20: 1e9}))
    assert row["fraction_of_ceiling"]["median"] > 0 and row["fraction_step_by_step"] > 0


def test_the_bandwidth_is_that_of_the_nearest_size() -> None:
    limit = Ceiling(1.0, {2**10: 100.0, 2**20: 10.0})
    assert limit.floor(0.0, 2.0**11)[1] == pytest.approx(2**11 / 100)
    assert limit.floor(0.0, 2.0**19)[1] == pytest.approx(2**19 / 10)

import contextlib

import pytest
import torch

from framefall.models import precision
from framefall.models.precision import autocast, fast_dtype

CPU = torch.device("cpu")


def product() -> torch.Tensor:
    return torch.ones(4, 4) @ torch.ones(4, 4)


def test_the_fast_type_is_bfloat16_where_the_processor_knows_it():
    expected = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
    assert fast_dtype(CPU) == expected
    assert fast_dtype(torch.device("meta")) == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_products_are_made_in_the_fast_type(monkeypatch, dtype):
    monkeypatch.setattr(precision, "fast_dtype", lambda device: dtype)
    with autocast(CPU):
        assert product().dtype == dtype
        assert (torch.ones(2) + torch.ones(2)).dtype == torch.float32  # sums are not
    assert product().dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_switched_off_it_does_nothing(monkeypatch, dtype):
    monkeypatch.setattr(precision, "fast_dtype", lambda device: dtype)
    assert isinstance(autocast(CPU, enabled=False), contextlib.nullcontext)
    with autocast(CPU, enabled=False):
        assert product().dtype == torch.float32


def test_half_of_a_network_in_the_fast_type_is_close_to_all_of_it_in_float32(toy, trained, inputs):
    network, (x_t, t, condition) = trained(toy()), inputs(toy())
    exact = network(x_t, t, condition)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast = network(x_t, t, condition)
    error = (fast - exact).norm() / exact.norm()
    assert 1e-4 < error < 0.05  # a few percent: dozens of products in a row, each rounded to 1 in 256

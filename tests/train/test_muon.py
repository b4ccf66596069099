import pytest
import torch
from torch import nn

from framefall.train import muon
from framefall.train.muon import FastMuon, KernelMuon, orthogonal

SETTINGS = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.95, "nesterov": True}
SCHULZ = (3.4445, -4.775, 2.0315), 5, 1e-7  # torch's own


@pytest.fixture(params=[torch.bfloat16, torch.float32])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """What the device is taken to do well."""
    monkeypatch.setattr(muon, "fast_dtype", lambda device: request.param)
    dtype: torch.dtype = request.param
    return dtype


def stepped(one: torch.optim.Optimizer, weight: nn.Parameter, seed: int) -> None:
    """A step by a gradient that the seed decides on."""
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    one.step()
    one.zero_grad()


def test_it_is_the_librarys_to_the_bit_in_bfloat16_and_nearly_so_in_float32(arithmetic: torch.dtype) -> None:
    first = torch.randn(12, 20, generator=torch.Generator().manual_seed(9))
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    one, other = FastMuon([ours], **SETTINGS), torch.optim.Muon([theirs], **SETTINGS)
    for seed in range(3):
        stepped(one, ours, seed)
        stepped(other, theirs, seed)
    assert torch.equal(ours, theirs) == (arithmetic == torch.bfloat16)  # and float32 is the control
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.01)
    assert (ours - first).abs().max() > 0.1


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_singular_values_become_about_one_and_directions_stay(shape: tuple[int, int], arithmetic: torch.dtype) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonal(matrix, *SCHULZ).float()
    assert made.shape == matrix.shape
    turned = left.T @ made @ right.T  # of a matrix with the same directions this is diagonal
    assert (turned.diag() - 1).abs().max() < 0.35 and (turned - turned.diag().diag()).abs().max() < 0.1
    assert (values - 1).abs().max() > 1  # the control: it had others


def test_no_product_is_in_bfloat16_where_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(muon, "_zeropower_via_newtonschulz", lambda matrix, *settings: asked.append(1) or matrix)
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(muon, "fast_dtype", lambda device, dtype=dtype: dtype)
        weight = nn.Parameter(torch.zeros(4, 4))
        stepped(FastMuon([weight], **SETTINGS), weight, 0)
        assert len(asked) == (dtype == torch.bfloat16)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_kernel_is_learnt_as_the_matrix_that_it_is(
    layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "fast_dtype", lambda device: torch.bfloat16)
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(8, 4, 3, 3).to(memory_format=layout))
    matrix = nn.Parameter(kernel.detach().clone(memory_format=torch.contiguous_format).flatten(1))
    ours, theirs = KernelMuon([kernel], **SETTINGS), torch.optim.Muon([matrix], **SETTINGS)
    for _ in range(3):
        gradient = torch.randn(8, 4, 3, 3)
        kernel.grad, matrix.grad = gradient.clone(), gradient.flatten(1)
        for one in (ours, theirs):
            one.step()
            one.zero_grad()
        assert kernel.grad is None
    # bfloat16 products in another order of columns: equal to their last bits, and of one layout to the bit
    tolerance = 0.0 if layout is torch.contiguous_format else 0.02
    torch.testing.assert_close(kernel.flatten(1), matrix, rtol=0, atol=tolerance)
    assert (kernel.flatten(1) - matrix.detach().flip(1)).abs().max() > 0.5  # the control: other columns

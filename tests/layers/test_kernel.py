import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from framefall.layers import kernel
from framefall.layers.patterns import window
from framefall.layers.sparse import blocks_attend, sparse_attend


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def inputs(frames: int, dim: int = 16, rows: tuple[int, ...] = (2, 3)) -> list[Tensor]:
    return [noise(*rows, frames, dim, seed=seed) for seed in range(3)]


def test_the_kernel_knows_what_it_does_not_serve():
    one = torch.zeros(2, 9, 16)
    assert not kernel.serves(one.double(), one.double(), one.double(), window(4))
    assert not kernel.serves(one, one[:1].expand_as(one)[:, :5], one, window(4))
    assert not kernel.serves(*(one.to("meta"),) * 3, window(4))
    assert not kernel.serves(*(torch.zeros(2, 9, 300),) * 3, window(4))
    assert not kernel.serves(*(torch.zeros(2, 2000, 4),) * 3, window(1000))
    assert sparse_attend(*(one.to("meta"),) * 3, window(4)).shape == one.shape


def test_flops_are_counted_with_the_kernel_too(built):
    leaves = [part.float().requires_grad_() for part in inputs(130)]
    with FlopCounterMode(display=False) as counter:
        out = kernel.attend(*leaves, window(4))
        forward = counter.get_total_flops()
        torch.autograd.grad(out.sum(), leaves)
    expected = 2 * 2 * 6 * 130 * 9 * 16  # two products with nine keys a frame
    assert forward == expected
    assert counter.get_total_flops() == 3.5 * expected  # five more backwards


@pytest.mark.slow
def test_the_kernel_is_an_operator_that_torch_can_compile(built):
    leaves = [part.float().requires_grad_() for part in inputs(9)]
    torch.library.opcheck(torch.ops.framefall.window_attention.default, (*leaves, [-1, 0, 1], 1, False))


def test_the_kernel_serves_what_it_knows(built):
    parts = [part.float() for part in inputs(9)]
    assert kernel.serves(*parts, window(4)) and kernel.serves(*(part.bfloat16() for part in parts), window(4))
    expected = blocks_attend(*parts, window(4))
    torch.testing.assert_close(kernel.attend(*parts, window(4)), expected, rtol=1e-5, atol=1e-5)
    assert (kernel.attend(*parts, window(2)) - expected).abs().max() > 1e-2


def test_where_it_is_switched_off_it_serves_nothing(monkeypatch):
    monkeypatch.setenv("FRAMEFALL_NO_KERNEL", "1")
    assert not kernel.serves(*(part.float() for part in inputs(9)), window(4))


def test_out_of_memory_is_an_error_in_a_sentence(built, monkeypatch):
    class Failing:
        @staticmethod
        def window_attention(task: object) -> int:
            return 1

    monkeypatch.setattr(kernel.compiled, "library", lambda *source: Failing)
    with pytest.raises(RuntimeError, match="found no memory: free some, or set FRAMEFALL_NO_KERNEL=1"):
        kernel.attend(*(part.float() for part in inputs(9)), window(4))

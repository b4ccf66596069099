from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from framefall.layers import fused, fused_kernel


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def with_gradients(call: Callable[..., Tensor], parts: Sequence[Tensor], dtypes: Sequence[torch.dtype]) -> list[Tensor]:
    """The answer and the gradients of all inputs, in float64 to be compared."""
    leaves = [part.detach().to(dtype).requires_grad_() for part, dtype in zip(parts, dtypes, strict=True)]
    out = call(*leaves)
    grads = torch.autograd.grad(out, leaves, noise(*out.shape, seed=9).bfloat16().to(out.dtype))
    return [one.detach().double() for one in (out, *grads)]


def test_heads_lie_in_memory_as_they_are_wanted(built):
    packed, weight = noise(2, 3, 5, 3 * 2 * 32).float(), torch.ones(32)
    for part in fused.project_heads(packed, weight, weight, None, 2, apart=True):
        assert part.transpose(2, 3).is_contiguous()
    for part in fused.project_heads(packed, weight, weight, None, 2, apart=False):
        assert part.is_contiguous()


def test_threads_change_no_bit(built):
    x, shift, scale = noise(3, 4000, 64).float(), noise(3, 1, 64, seed=1).float(), noise(3, 1, 64, seed=2).float()

    def all_of_it() -> list[Tensor]:
        return with_gradients(fused.modulate, (x, shift, scale), [torch.float32] * 3)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = all_of_it()
        torch.set_num_threads(3)
        assert all(map(torch.equal, alone, all_of_it()))
    finally:
        torch.set_num_threads(threads)


def test_other_devices_and_engines_take_the_other_way(built):
    x = torch.zeros(1, 4, 32)
    assert fused_kernel.serves(x)
    assert not fused_kernel.serves(x.double())
    assert not fused_kernel.serves(x.to("meta"))
    assert not fused_kernel.serves(x[:, :0])

    class Layer(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return fused.gate_values(x)

    exported = torch.export.export(Layer(), (x,))
    assert "silu" in str(exported.graph)
    meta, row = x.to("meta"), torch.zeros(1, 1, 32, device="meta")  # where sizes are counted, and nothing is computed
    assert fused.gate_values(meta).shape == (1, 4, 16)
    assert fused.modulate(meta, row, row).shape == fused.gated_sum(meta, row, meta).shape == (1, 4, 32)
    query, *_ = fused.project_heads(
        meta.expand(1, 4, 32).unflatten(1, (2, 2)).repeat(1, 1, 1, 3), row[0, 0], row[0, 0], None, 1, True
    )
    assert query.shape == (1, 2, 2, 1, 32)

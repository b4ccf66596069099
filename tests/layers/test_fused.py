from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from framefall.layers import fused

BFLOAT = 2.0**-8  # one rounding to bfloat16
ANGLES = ["a token's", "a frame's", "a place's", "none"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rms(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt()


def with_gradients(call: Callable[..., Tensor], parts: Sequence[Tensor], dtypes: Sequence[torch.dtype]) -> list[Tensor]:
    """The answer and the gradients of all inputs, in float64 to be compared."""
    leaves = [part.detach().to(dtype).requires_grad_() for part, dtype in zip(parts, dtypes, strict=True)]
    out = call(*leaves)
    grads = torch.autograd.grad(out, leaves, noise(*out.shape, seed=9).bfloat16().to(out.dtype))
    return [one.detach().double() for one in (out, *grads)]


def worst(found: list[Tensor], true: list[Tensor]) -> float:
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, true, strict=True))


def same(call: Callable[..., Tensor], truth: Callable[..., Tensor], parts: Sequence[Tensor]) -> None:
    """The formula in float64, to rounding in float32 and to a few roundings where inputs are bfloat16."""
    parts = [part.bfloat16().double() for part in parts]
    true = with_gradients(truth, parts, [torch.float64] * len(parts))
    assert worst(with_gradients(call, parts, [torch.float32] * len(parts)), true) < 2e-5
    # what has three axes and a row for each token is bfloat16 in a network; what clips share is not
    mixed = [torch.bfloat16 if part.shape == parts[0].shape else torch.float32 for part in parts]
    found = with_gradients(call, parts, mixed)
    assert worst(found, true) < 4 * BFLOAT
    assert worst([1.1 * one for one in found], true) > 4 * BFLOAT


SHAPES = [(1, 3, 32), (2, 70, 64), (3, 129, 16), (2, 5, 20)]  # the last is not for the kernel


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_modulation_is_what_the_formula_says(way, shape):
    batch, _, dim = shape
    parts = noise(*shape), noise(batch, 1, dim, seed=1), noise(batch, 1, dim, seed=2)
    same(fused.modulate, lambda x, shift, scale: rms(x) * (1 + scale) + shift, parts)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_gated_sum_is_what_the_formula_says(way, shape):
    batch, _, dim = shape
    parts = noise(*shape), noise(batch, 1, dim, seed=1), noise(*shape, seed=2)
    same(fused.gated_sum, lambda x, gate, y: x + gate * y, parts)


@pytest.mark.parametrize(("groups", "dim"), [(2, 32), (3, 16), (3, 20)])
def test_groups_of_tokens_share_a_row_each(way, groups, dim):
    x, shift, scale = noise(2, 4 * groups, dim), noise(2, groups, dim, seed=1), noise(2, groups, dim, seed=2)
    y = noise(*x.shape, seed=3)

    def each(row: Tensor) -> Tensor:
        return row.repeat_interleave(4, dim=1)

    def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return rms(x) * (1 + each(scale)) + each(shift)

    same(fused.modulate, modulated, (x, shift, scale))
    same(fused.gated_sum, lambda x, gate, y: x + each(gate) * y, (x, scale, y))
    exchanged = modulated(x, shift.flip(1), scale)
    assert worst([fused.modulate(x.float(), shift.float(), scale.float()).double()], [exchanged]) > 0.1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gated_values_are_what_the_formula_says(way, shape):
    def truth(packed: Tensor) -> Tensor:
        gate, value = packed.chunk(2, dim=-1)
        return gate * torch.sigmoid(gate) * value

    same(fused.gate_values, truth, [4 * noise(*shape)])
    exchanged = with_gradients(lambda x: truth(x.flip(-1)), [noise(*shape)], [torch.float64])
    assert worst(with_gradients(fused.gate_values, [noise(*shape)], [torch.float32]), exchanged) > 0.1


@pytest.mark.parametrize("gate", [-1e30, -200.0, -88.0, -30.0, 0.0, 30.0, 88.0, 200.0, 1e30])
def test_the_gate_holds_for_any_number(way, gate):
    row = torch.full((1, 32), 2.0)
    row[:, :16] = gate
    expected = 2 * torch.nn.functional.silu(torch.tensor(gate, dtype=torch.float64))
    torch.testing.assert_close(fused.gate_values(row)[0, 0].double(), expected, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_hidden(way, bad):
    x = torch.zeros(1, 3, 32)
    x[0, 1, 5] = bad
    row = torch.zeros(1, 1, 32)
    for out in (fused.modulate(x, row, row), fused.gated_sum(x, row, x), fused.gate_values(x)):
        assert not out[0, 1].isfinite().all()
        assert out[0, [0, 2]].isfinite().all()


def angles_of(kind: str, batch: int, frames: int, positions: int, half: int) -> Tensor | None:
    shapes = {"a token's": (batch, frames, positions), "a frame's": (batch, frames, 1), "a place's": (1, 1, positions)}
    return None if kind == "none" else noise(*shapes[kind], half, seed=3)


@pytest.mark.parametrize("kind", ANGLES)
@pytest.mark.parametrize("size", [16, 32, 64])  # the first is not for the kernel
@pytest.mark.parametrize("apart", [True, False])
def test_heads_are_normalised_and_turned(way, kind, size, apart):
    batch, frames, positions, heads = 2, 3, 35, 2
    angles = angles_of(kind, batch, frames, positions, size // 2)

    def call(packed: Tensor, query_weight: Tensor, key_weight: Tensor) -> Tensor:
        told = None if angles is None else angles.to(packed.dtype if packed.dtype == torch.float64 else torch.float32)
        return torch.stack(fused.project_heads(packed, query_weight, key_weight, told, heads, apart))

    def truth(packed: Tensor, *weights: Tensor) -> Tensor:
        *turned, value = packed.unflatten(-1, (3, heads, size)).unbind(3)
        for which, (part, weight) in enumerate(zip(turned, weights, strict=True)):
            row = rms(part) * weight
            if angles is not None:  # a pair is a complex number
                pairs = (
                    torch.complex(row[..., : size // 2], row[..., size // 2 :]) * torch.exp(1j * angles)[..., None, :]
                )
                row = torch.cat((pairs.real, pairs.imag), dim=-1)
            turned[which] = row
        return torch.stack((*turned, value))

    same(
        call,
        truth,
        (noise(batch, frames, positions, 3 * heads * size), 1 + noise(size, seed=1), 1 + noise(size, seed=2)),
    )


def test_under_autocast_a_product_finds_what_it_wants(way):
    row = torch.zeros(1, 1, 32)
    with torch.autocast("cpu", torch.bfloat16):
        out = fused.modulate(noise(1, 4, 32).float(), row, row)
    assert out.dtype == (torch.bfloat16 if way == "kernel" else torch.float32)

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framefall.layers import attention
from framefall.layers.attention import SelfAttention, SwiGLU, attend
from framefall.layers.tokens import rotary_angles

BFLOAT = 2.0**-8  # one rounding to bfloat16


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def attention_of(dim: int, heads: int) -> SelfAttention:
    """In float64, with norms whose weights are not one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = SelfAttention(dim, heads).double()
        for norm in (layer.q_norm, layer.k_norm):
            assert norm.weight is not None
            torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
    return layer


def reference(layer: SelfAttention, x: Tensor, angles: Tensor) -> Tensor:
    """One clip, one head, one query at a time; a rotated pair is a complex number."""
    batch, tokens, dim = x.shape
    size = dim // layer.heads
    out = torch.zeros_like(x)
    for clip in range(batch):
        parts = (x[clip] @ layer.qkv.weight.T).reshape(tokens, 3, layer.heads, size)
        for head in range(layer.heads):
            turned = []
            for part, norm in enumerate((layer.q_norm, layer.k_norm)):
                rows = parts[:, part, head]
                rows = rows / (rows.square().mean(1, keepdim=True) + torch.finfo(rows.dtype).eps).sqrt() * norm.weight
                pairs = torch.complex(rows[:, : size // 2], rows[:, size // 2 :])
                turned.append(pairs * torch.exp(1j * angles[clip]))
            for token in range(tokens):
                scores = (turned[0][token] * turned[1].conj()).real.sum(1) / size**0.5
                weights = scores.exp() / scores.exp().sum()
                out[clip, token, head * size : (head + 1) * size] = weights @ parts[:, 2, head]
    return out @ layer.proj.weight.T


@pytest.mark.parametrize(("dim", "heads"), [(16, 1), (32, 2), (24, 3)])
def test_attention_is_what_the_formula_says(dim, heads):
    layer, x, angles = attention_of(dim, heads), noise(2, 5, dim), noise(2, 5, dim // heads // 2, seed=1)
    torch.testing.assert_close(layer(x, angles), reference(layer, x, angles))
    assert (layer(x, -angles) - reference(layer, x, angles)).abs().max() > 1e-3  # turned the other way


def test_attention_does_not_know_where_the_clip_lies():
    layer, x, positions = attention_of(32, 2), noise(1, 6, 32), 50 * noise(1, 6, 3, seed=1)
    shift = torch.tensor([2.0, 64.0, -9.0], dtype=torch.float64)
    here, there = (layer(x, rotary_angles(at, 16)) for at in (positions, positions + shift))
    torch.testing.assert_close(here, there, rtol=1e-9, atol=1e-9)  # float64, angles of a few hundred
    assert (here - layer(x, rotary_angles(2 * positions, 16))).abs().max() > 1e-3


def test_tokens_without_positions_are_a_set():
    layer, x = attention_of(32, 2), noise(1, 6, 32)
    still = torch.zeros(1, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(x.flip(1), still).flip(1), layer(x, still))
    moving = noise(1, 6, 8, seed=1)
    assert (layer(x.flip(1), moving).flip(1) - layer(x, moving)).abs().max() > 1e-3


def test_queries_and_keys_are_normalised_so_that_loud_tokens_do_not_shout():
    layer, x, angles = attention_of(32, 2), noise(1, 6, 32), noise(1, 6, 8, seed=1)
    weight = layer.qkv.weight.data
    before = layer(x, angles)
    weight[:64] *= 100.0  # queries and keys
    torch.testing.assert_close(layer(x, angles), before, rtol=1e-6, atol=1e-6)  # the norm's epsilon
    weight[64:] *= 100.0  # values have no norm
    assert (layer(x, angles) - before).abs().max() > 1.0


@pytest.mark.parametrize(("dim", "heads"), [(10, 3), (6, 2)])
def test_sizes_that_do_not_divide_are_refused(dim, heads):
    with pytest.raises(ValueError, match="dim must be an even multiple of heads"):
        SelfAttention(dim, heads)


def both(keys: int, dtype: torch.dtype) -> list[tuple[Tensor, ...]]:
    """Values and gradients: `attend`, torch's own kernel, and the truth in float64."""
    inputs = [noise(1, 2, keys, 16, seed=seed).to(dtype) for seed in range(3)]
    results = []
    for call, wanted in ((attend, dtype), (F.scaled_dot_product_attention, dtype), (_plain, torch.float64)):
        leaves = [one.detach().to(wanted).requires_grad_() for one in inputs]
        out = call(*leaves)
        out.backward(noise(*out.shape, seed=9).to(wanted))
        results.append((out.detach(), *(leaf.grad for leaf in leaves)))
    return results


def _plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1) @ value


def test_the_short_way_gives_the_values_and_gradients_of_the_fused_kernel():
    short, fused, true = both(40, torch.bfloat16)
    for one, other, exact in zip(short, fused, true, strict=True):
        size = exact.abs().max()
        # each of a handful of products rounds once to bfloat16
        assert (one.double() - exact).abs().max() < 6 * BFLOAT * size
        assert (other.double() - exact).abs().max() < 6 * BFLOAT * size
        assert (2 * one.double() - exact).abs().max() > 6 * BFLOAT * size


@pytest.mark.parametrize(("heads", "queries", "keys"), [(6, 40, 50), (2, 900, 1500), (1, 3, 20_000), (3, 700, 700)])
def test_without_gradients_parts_of_the_scores_give_the_whole(heads, queries, keys):
    query, key, value = (noise(2, heads, n, 8, seed=n).bfloat16() for n in (queries, keys, keys))
    with torch.no_grad():
        found, fused = attend(query, key, value), F.scaled_dot_product_attention(query, key, value)
        true = _plain(query.double(), key.double(), value.double())
    for one in (found, fused):
        assert one.shape == query.shape and (one.double() - true).abs().max() < 4 * BFLOAT * true.abs().max()
    assert (found.roll(1, 2).double() - true).abs().max() > 4 * BFLOAT * true.abs().max()  # rows in another order


def test_attention_in_float32_is_exact_to_rounding():
    found, _, true = both(40, torch.float32)
    for one, exact in zip(found, true, strict=True):
        torch.testing.assert_close(one.double(), exact, rtol=1e-4, atol=1e-5)  # sums of 40 products


@pytest.mark.parametrize("more", [0, 1])
def test_only_short_bfloat16_leaves_the_fused_kernel(more):
    keys = noise(1, 1, attention._LEARNT + more, 8).bfloat16()
    query = noise(1, 1, 4, 8).bfloat16().requires_grad_()
    fused = "scaleddotproduct" in attend(query, keys, keys).grad_fn.name().lower()  # type: ignore[union-attr]
    assert fused == (more == 1)


def test_gated_mlp_is_what_the_formula_says():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = SwiGLU(24).double()
    x = noise(2, 3, 24)
    gate, value = layer.gate_up_proj.weight.chunk(2)
    expected = ((x @ gate.T) * torch.sigmoid(x @ gate.T) * (x @ value.T)) @ layer.down_proj.weight.T
    torch.testing.assert_close(layer(x), expected)
    exchanged = ((x @ value.T) * torch.sigmoid(x @ value.T) * (x @ gate.T)) @ layer.down_proj.weight.T
    assert (layer(x) - exchanged).abs().max() > 1e-3


@pytest.mark.parametrize("dim", [64, 192, 256])
def test_gated_mlp_has_the_size_of_a_plain_one_four_times_as_wide(dim):
    count = sum(p.numel() for p in SwiGLU(dim).parameters())
    assert 0 <= count - 8 * dim**2 < 3 * dim * 64  # rounded up to a multiple of 64

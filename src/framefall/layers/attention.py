"""Attention over tokens, and the gated MLP that follows it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.compiled import is_read
from framefall.layers.fused import gate_values, project_heads
from framefall.layers.modulation import RMSNorm

FrameTokens = Float[Tensor, "batch frames positions dim"]


class MultiHeadAttention(nn.Module):
    """Projections into heads and out of them; queries and keys are normalised (QK-norm)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads or (dim // heads) % 2:
            near = max(1, dim // 64)
            raise ValueError(f"dim must be an even multiple of heads, got dim={dim}, heads={heads}; try heads={near}")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_norm = RMSNorm(dim // heads, affine=True)
        self.k_norm = RMSNorm(dim // heads, affine=True)
        self.proj = nn.Linear(dim, dim, bias=False)

    def project(self, x: FrameTokens, angles: Tensor | None, apart: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values `[batch, frames, positions, heads, head_dim]`.

        Angles `[batch, frames, positions, head_dim / 2]` are 1 long where all share them; none: nothing is turned.
        `apart`: whether a head's positions are wanted side by side in memory, or a position's heads.
        """
        query_weight, key_weight = self.q_norm.weight, self.k_norm.weight
        assert query_weight is not None and key_weight is not None
        return project_heads(self.qkv(x), query_weight, key_weight, angles, self.heads, apart)


class SelfAttention(MultiHeadAttention):
    """Every token attends to every token, with rotary positions."""

    def forward(self, x: Tensor, angles: Tensor, bias: Tensor | None = None) -> Tensor:
        """`[batch, tokens, dim]`; `angles` `[batch, tokens, head_dim / 2]` turn queries and keys.

        `bias` `[batch, tokens]` is added to the scores of each key: minus infinity where nobody may look.
        """
        query, key, value = (part[:, 0].transpose(1, 2) for part in self.project(x[:, None], angles[:, None]))
        return self.proj(attend(query, key, value, bias).transpose(1, 2).flatten(-2))


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k / sqrt(d) + bias) v of `[batch, heads, tokens, head_dim]`, with a bias `[batch, tokens]` of the keys.

    In bfloat16 on a CPU plain products win over torch's fused kernel if their scores stay in the cache: a few heads
    at a time, or a few queries. With gradients that holds up to a thousand keys (docs/log.md has the figures).
    """
    most = _LEARNT if torch.is_grad_enabled() else _MOST
    plain = query.dtype == torch.bfloat16 and query.device.type == "cpu" and key.shape[-2] <= most
    if not plain or is_read():
        mask = None if bias is None else bias[:, None, None].to(query.dtype)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    heads = max(1, _SCORES // (query.shape[-2] * key.shape[-2]))
    if bias is None:
        bias = query.new_zeros(1, 1).expand(query.shape[0], 1)
    added = bias[:, None, None].to(query.dtype).expand(-1, query.shape[1], -1, -1)
    parts = (part.flatten(0, 1).split(heads) for part in (query, key, value, added))
    return _joined([_products(*each) for each in zip(*parts, strict=True)], 0).unflatten(0, query.shape[:2])


def _products(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    keys, given = key.transpose(1, 2), bias.shape[-1] > 1
    mixed = []
    for rows in query.split(max(1, _SCORES // (len(key) * key.shape[1])), dim=1):
        scores = torch.baddbmm(bias, rows, keys, beta=int(given), alpha=rows.shape[-1] ** -0.5)
        mixed.append(torch.bmm(scores.softmax(-1), value))
    return _joined(mixed, 1)


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


_LEARNT, _MOST = 1024, 1 << 14  # keys
_SCORES = 1 << 20  # at once: those of a call stay in the cache


class SwiGLU(nn.Module):
    """A gated MLP (Shazeer 2020), with the parameters of a plain one four times as wide."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = -(-dim * 8 // 3 // 64) * 64  # multiples of 64 feed the matrix units well
        self.gate_up_proj = nn.Linear(dim, 2 * hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return self.down_proj(gate_values(self.gate_up_proj(x)))

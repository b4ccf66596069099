"""Attention over tokens, and the gated MLP that follows it."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from framefall.layers.modulation import RMSNorm
from framefall.layers.tokens import rotate


class SelfAttention(nn.Module):
    """Every token attends to every token, with rotary positions and normalised queries and keys (QK-norm)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads or (dim // heads) % 2:
            raise ValueError(
                f"dim must be an even multiple of heads, got dim={dim}, heads={heads}; try heads={dim // 64}"
            )
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.query_norm = RMSNorm(dim // heads, affine=True)
        self.key_norm = RMSNorm(dim // heads, affine=True)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        """`[batch, tokens, dim]`; `angles` `[batch, tokens, head_dim / 2]` turn queries and keys."""
        query, key, value = rearrange(self.qkv(x), "b n (s k d) -> s b k n d", s=3, k=self.heads)
        query = rotate(self.query_norm(query).to(value.dtype), angles)
        key = rotate(self.key_norm(key).to(value.dtype), angles)
        return self.out(rearrange(attend(query, key, value), "b k n d -> b n (k d)"))


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k / sqrt(d)) v.

    While training in bfloat16 on a CPU the plain products win over the fused kernel up to some hundred
    keys: its backward pass is slow there (docs/log.md has the figures).
    """
    short = key.shape[-2] <= _SHORT and query.dtype == torch.bfloat16 and query.device.type == "cpu"
    if torch.is_grad_enabled() and short:
        return torch.matmul(torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-1, -2)).softmax(-1), value)
    return F.scaled_dot_product_attention(query, key, value)


_SHORT = 640


class SwiGLU(nn.Module):
    """A gated MLP (Shazeer 2020), with the parameters of a plain one four times as wide."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = -(-dim * 8 // 3 // 64) * 64  # multiples of 64 feed the matrix units well
        self.inside = nn.Linear(dim, 2 * hidden, bias=False)
        self.outside = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        gate, value = self.inside(x).chunk(2, dim=-1)
        return self.outside(F.silu(gate) * value)

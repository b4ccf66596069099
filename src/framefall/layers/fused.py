"""What stands between a transformer's matrix products, each as one pass over memory where a compiler is found.

On CPUs these small steps take as long as half the products if each is a pass of its own (docs/log.md). Every function
says what it is in a line or two of torch, which is also its other way: on other devices, in other number formats,
where an engine or a compiler reads the network, and where `fused_kernel.py` has no library.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from framefall.layers import fused_kernel
from framefall.layers.compiled import LANES
from framefall.layers.modulation import rms_norm
from framefall.layers.tokens import Tokens, rotate

Rows = Float[Tensor, "batch groups dim"]  # one for as many tokens in a row as share it; 1 long: one for a clip
PackedQKV = Float[Tensor, "batch frames positions packed"]
HeadTokens = Float[Tensor, "batch frames positions heads dim"]


def modulate(x: Tokens, shift: Rows, scale: Rows) -> Tokens:
    """The modulated norm, x / rms(x) * (1 + scale) + shift; under autocast in its format, as a product wants it."""
    if scale.shape[1] > 1:
        return modulate(*(_by_group(one, scale.shape[1]) for one in (x, shift, scale))).view(x.shape)
    if fused_kernel.serves(x) and x.shape[-1] % LANES == 0 and scale.shape[0] == x.shape[0]:
        autocast = torch.is_autocast_enabled("cpu")
        wanted = torch.get_autocast_dtype("cpu") if autocast else torch.promote_types(x.dtype, shift.dtype)
        if wanted in fused_kernel.KNOWN:
            return fused_kernel.modulate(x, shift, scale, wanted)
    return torch.addcmul(shift, rms_norm(x), 1 + scale)


def gated_sum(x: Tokens, gate: Rows, y: Tokens) -> Tokens:
    """The residual sum x + gate * y."""
    if gate.shape[1] > 1:
        return gated_sum(*(_by_group(one, gate.shape[1]) for one in (x, gate, y))).view(x.shape)
    whole = torch.promote_types(torch.promote_types(x.dtype, y.dtype), gate.dtype) == torch.float32
    if whole and fused_kernel.serves(x, y) and x.shape[-1] % LANES == 0 and gate.shape[0] == x.shape[0]:
        return fused_kernel.gated_sum(x, gate, y)
    return x + gate * y


def _by_group(x: Tensor, groups: int) -> Tensor:
    """Groups of tokens as clips of their own: `[batch, groups * n, dim]` to `[batch * groups, n, dim]`."""
    return x.reshape(x.shape[0] * groups, -1, x.shape[-1])


def gate_values(packed: Float[Tensor, "*rows both"]) -> Float[Tensor, "*rows hidden"]:
    """SwiGLU's silu(gate) * value, of rows that hold the gates and, behind them, the values."""
    if fused_kernel.serves(packed) and packed.shape[-1] % (2 * LANES) == 0:
        return fused_kernel.gate_values(packed)
    gate, value = packed.chunk(2, dim=-1)
    return F.silu(gate) * value


def project_heads(
    packed: PackedQKV, query_weight: Tensor, key_weight: Tensor, angles: Tensor | None, heads: int, apart: bool
) -> tuple[HeadTokens, HeadTokens, HeadTokens]:
    """Queries and keys normalised (QK-norm) and turned by their angles, and values, out of one projection.

    `packed` holds queries, keys and values side by side, `angles` `[batch, frames, positions, half]` may be 1 long
    where all share them. `apart`: whether each head's positions are wanted side by side in memory.
    """
    size = packed.shape[-1] // (3 * heads)
    if fused_kernel.serves(packed) and size % (2 * LANES) == 0:
        if angles is None:
            angles = packed.new_zeros(1, 1, 1, size // 2, dtype=torch.float32)
        return fused_kernel.project_heads(packed, query_weight, key_weight, angles, heads, apart)
    query, key, value = packed.unflatten(-1, (3, heads, -1)).unbind(3)
    query, key = rms_norm(query, query_weight), rms_norm(key, key_weight)
    if angles is not None:
        query, key = rotate(query, angles[..., None, :]), rotate(key, angles[..., None, :])
    return query, key, value

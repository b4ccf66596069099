"""Attention along time over a pattern: linear in the number of frames, in time and in memory.

Two ways with one answer, that of dense attention under `Pattern.mask`: a small compiled kernel on CPUs
(`kernel.py`), and blocks of queries against the keys that they see, which run everywhere. Neither makes a table
of frames by frames, except for clips so short that the table is the faster way.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from framefall.layers import kernel
from framefall.layers.attention import attend
from framefall.layers.patterns import BlockLayout, Pattern

HeadFrames = Float[Tensor, "*rows frames dim"]


def sparse_attend(query: HeadFrames, key: HeadFrames, value: HeadFrames, pattern: Pattern) -> HeadFrames:
    """softmax(q k / sqrt(d)) v over the frames that each frame sees; differentiable."""
    if kernel.serves(query, key, value, pattern):
        return kernel.attend(query, key, value, pattern)
    return blocks_attend(query, key, value, pattern)


def whole_attend(query: HeadFrames, key: HeadFrames, value: HeadFrames) -> HeadFrames:
    """The same over all frames: where a clip is short the kernel for patterns is faster than torch's."""
    frames = query.shape[-2]
    everything = Pattern(tuple(range(1 - frames, frames)))
    short = _SHORT_BFLOAT if _plain(query) else _SHORT
    if frames <= short and kernel.serves(query, key, value, everything):
        return kernel.attend(query, key, value, everything)
    if query.dim() <= 4:
        return attend(query, key, value)
    mixed = attend(query.flatten(1, -3), key.flatten(1, -3), value.flatten(1, -3))  # torch knows two axes of rows
    return mixed.unflatten(1, query.shape[1:-2])


# frames up to which the kernel wins over torch's attention and over its plain products (docs/log.md)
_SHORT, _SHORT_BFLOAT = 64, 16


def blocks_attend(query: HeadFrames, key: HeadFrames, value: HeadFrames, pattern: Pattern) -> HeadFrames:
    """The way that needs nothing but torch: each block of neighbouring queries against the keys it sees."""
    frames = query.shape[-2]
    if frames <= max(_DENSE, pattern.reach + pattern.ahead + pattern.anchors):  # or it sees nearly all anyway
        return _scaled(query, key, value, pattern.mask(frames).to(query.device))
    layout = pattern.blocks(frames)
    missing = layout.size * layout.count - frames
    query = (F.pad(query, (0, 0, 0, missing)) if missing else query).unflatten(-2, (layout.count, layout.size))
    mixed = _scaled(query, _near(key, layout), _near(value, layout), layout.mask.to(query.device))
    return mixed.flatten(-3, -2)[..., :frames, :]


_DENSE = 64  # frames up to which one table is faster than blocks


def _near(x: Tensor, layout: BlockLayout) -> Tensor:
    """`[..., blocks, keys, dim]`: a view that overlaps itself where the keys are one run, and a copy otherwise."""
    frames = x.shape[-2]
    front, back = -layout.runs[0][0], layout.runs[-1][1] + 1 - layout.size
    padded = F.pad(x, (0, 0, front, max(0, back) + layout.size * layout.count - frames))
    parts = [x[..., None, : layout.anchors, :].expand(*x.shape[:-2], layout.count, -1, -1)] if layout.anchors else []
    for first, last in layout.runs:
        begun = padded[..., front + first :, :]
        parts.append(begun.unfold(-2, last + 1 - first, layout.size)[..., : layout.count, :, :].transpose(-1, -2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)


def _scaled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention with a mask that all rows share: one table, or one a block (the third axis from the end)."""
    if _plain(query):
        scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-1, -2)).masked_fill(~mask, -torch.inf)
        return torch.matmul(scores.softmax(-1), value)
    fold = (-1, *(1,) * (3 - mask.dim()))  # torch's kernels know two axes of rows, and no mask of three axes
    parts = (part.reshape(*fold, *part.shape[-mask.dim() :]).split(_ROWS) for part in (query, key, value))
    table = mask if mask.dim() == 2 else mask[None]
    mixed = [F.scaled_dot_product_attention(q, k, v, table) for q, k, v in zip(*parts, strict=True)]
    return (mixed[0] if len(mixed) == 1 else torch.cat(mixed)).reshape(query.shape)


_ROWS = 1 << 15  # of one call: CUDA counts them in 16 bits


def _plain(query: Tensor) -> bool:
    """Whether plain products serve better: backwards in bfloat16 torch's fused kernel is slow on CPUs (docs/log.md)."""
    return torch.is_grad_enabled() and query.dtype == torch.bfloat16 and query.device.type == "cpu"

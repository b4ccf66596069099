"""What spatial super-resolution must not change: the projection of its answer onto what it was given.

A large clip is consistent when its area mean is the small clip it was made of. The projection moves the answer as
little as it can (in squared error) and keeps it in -1..1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.video import Video, resize

Small = Float[Tensor, "batch channels frames low_height low_width"]
Blocks = Float[Tensor, "blocks pixels"]
Means = Float[Tensor, "blocks 1"]

_HALVINGS = 32  # of an interval of at most 4: what is left is far below the last bit of float32 pixels


def match_blocks(large: Video, low: Small) -> Video:
    """The clip nearest to `large` in -1..1 whose mean over each block is the pixel of `low`, up to float32 rounding.

    Each pixel of a block is moved by one amount; where that leads out of the range, the pixel stays at its end and
    the others move further. `low` counts as clipped to the range: no mean lies outside it.
    """
    tall, wide = _factors(large, low)
    low = low.clamp(-1.0, 1.0)
    answer = large + _enlarged(low - resize(large, low.shape[-2], low.shape[-1], "area"), tall, wide)
    blocks = _blocks(answer, tall, wide)
    outside = (blocks.abs() > 1.0).any(dim=1)
    if not outside.any():
        return answer
    blocks[outside] = _shifted_inside(_blocks(large, tall, wide)[outside], low.reshape(-1, 1)[outside])
    return _unblocked(blocks, answer, tall, wide)


def _factors(large: Tensor, low: Tensor) -> tuple[int, int]:
    tall, wide = (big // small for big, small in zip(large.shape[-2:], low.shape[-2:], strict=True))
    if list(large.shape[-2:]) != [tall * low.shape[-2], wide * low.shape[-1]]:
        raise ValueError(
            f"the large clip must be a whole number of times as high and wide as the small one, got"
            f" {list(large.shape[-2:])} and {list(low.shape[-2:])}; crop it"
        )
    return tall, wide


def _enlarged(low: Tensor, tall: int, wide: int) -> Tensor:
    return low.repeat_interleave(tall, dim=-2).repeat_interleave(wide, dim=-1)


def _blocks(video: Tensor, tall: int, wide: int) -> Tensor:
    """`[blocks, pixels]`, in the order of the small clip's pixels."""
    return video.unflatten(-1, (-1, wide)).unflatten(-3, (-1, tall)).transpose(-3, -2).reshape(-1, tall * wide)


def _unblocked(blocks: Tensor, like: Tensor, tall: int, wide: int) -> Tensor:
    height, width = like.shape[-2:]
    split = blocks.reshape(*like.shape[:-2], height // tall, width // wide, tall, wide)
    return split.transpose(-3, -2).reshape(like.shape)


def _shifted_inside(blocks: Blocks, means: Means) -> Blocks:
    """Each block moved by the one amount after which, clipped to -1..1, it has its mean.

    That is the nearest point of the box's slice of this mean (its Lagrangian is minimal there), and the mean grows
    with the amount, so that halving finds it.
    """
    moved = blocks.double()
    low, high = -1.0 - moved.amax(dim=1, keepdim=True), 1.0 - moved.amin(dim=1, keepdim=True)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        short = (moved + middle).clamp(-1.0, 1.0).mean(dim=1, keepdim=True) < means
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return (moved + (low + high) / 2).clamp(-1.0, 1.0).to(blocks.dtype)

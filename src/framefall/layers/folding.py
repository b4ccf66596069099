"""Blocks of pixels as features, and the features that natural video has most of.

Videos here are `[batch, frames, height, width, channels]`.
"""

import functools
import itertools
import math
from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

ChannelsLast = Float[Tensor, "batch frames height width channels"]


def fold(x: ChannelsLast, time: int, space: int) -> Float[Tensor, "batch groups cells_high cells_wide features"]:
    """Each block of `time` x `space` x `space` as the channels of one cell."""
    return rearrange(x, "b (f t) (h p) (w q) c -> b f h w (t p q c)", t=time, p=space, q=space)


def unfold(x: ChannelsLast, time: int, space: int) -> Float[Tensor, "batch many high wide fewer"]:
    """The inverse of `fold`."""
    return rearrange(x, "b f h w (t p q c) -> b (f t) (h p) (w q) c", t=time, p=space, q=space)


def cosines(sizes: Sequence[int], count: int) -> tuple[Float[Tensor, "count places"], Float[Tensor, " count"]]:
    """The `count` cosines of a block of these sizes that natural video has most of, orthonormal; and how much of each.

    They are products of one cosine an axis (DCT-II, Ahmed et al. 1974). What a block has of them is taken to fall
    with the square of frequency along every axis.
    """
    tables = []
    for size in sizes:
        waves, places = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)
        table = torch.cos(math.pi * waves * (2 * places + 1) / (2 * size)) * (2 / size) ** 0.5
        table[0] /= 2**0.5
        tables.append(table)

    def strength(waves: tuple[int, ...]) -> float:
        return math.prod((1 + wave) ** -2.0 for wave in waves)

    strongest = sorted(itertools.product(*map(range, sizes)), key=lambda waves: (-strength(waves), waves))[:count]
    rows = [
        functools.reduce(torch.kron, [table[wave] for table, wave in zip(tables, waves, strict=True)])
        for waves in strongest
    ]
    plain = math.prod(sizes) ** 0.5 / 2  # of a block of one brightness, at half of the range
    return torch.stack(rows).float(), plain * torch.tensor([strength(waves) for waves in strongest])

"""How numbers steer a network: sinusoids of a level, and scale, shift and gate (adaLN-single, Chen et al. 2023)."""

from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.compiled import is_read
from framefall.video import Time

Layer = TypeVar("Layer", bound=nn.Module)


def zeroed(layer: Layer) -> Layer:
    """The layer with all its parameters zero: what follows it starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def small_word(dim: int) -> nn.Parameter:
    """A word of the network's own, drawn small; on the meta device, where drawing would load torch's compiler, not."""
    word = torch.empty(dim)
    return nn.Parameter(word if word.is_meta else word.normal_() * 0.02)


class Modulation(NamedTuple):
    """What levels do to one branch of a block; each `[batch, groups, dim]`: a row for the tokens of a group."""

    shift: Tensor
    scale: Tensor
    gate: Tensor


def sinusoids(level: Time, dim: int) -> Float[Tensor, "*levels dim"]:
    """Sines and cosines of a level in 0..1, from one radian over the range to a thousand."""
    frequencies = torch.logspace(0, 3, dim // 2, device=level.device)
    angles = level.float()[..., None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


def shared_level(t: Time) -> Time:
    """Levels of frames as one of the clip, `[batch]`, where no clip has two: the same bits, and less work."""
    if t.ndim == 1 or is_read() or t.is_meta or bool((t != t[:, :1]).any()):
        return t
    return t[:, 0]


class LevelEmbedding(nn.Module):
    """A level in 0..1 (diffusion time, augmentation strength) as a feature vector."""

    def __init__(self, dim: int, frequencies: int = 128) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, level: Time) -> Float[Tensor, "*levels dim"]:
        """`[batch]` to `[batch, dim]`, `[batch, frames]` to `[batch, frames, dim]`."""
        features: Tensor = self.mlp(sinusoids(level, self.frequencies))
        return features


def added_later(dim: int) -> LevelEmbedding:
    """An embedding that adds exactly nothing at first: what a network is given beside it is learnt on top."""
    embedding = LevelEmbedding(dim)
    zeroed(embedding.mlp[-1])
    return embedding


class BlockModulation(nn.Module):
    """One block's own offsets to the modulation that all blocks share: a table, not a matrix a block."""

    def __init__(self, dim: int, branches: int = 2) -> None:
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.zeros(branches * 3, dim))

    def forward(self, shared: Float[Tensor, "batch groups rows dim"]) -> list[Modulation]:
        """The modulation of each branch, from the rows shared by the network."""
        rows = (shared + self.scale_shift_table).unbind(2)
        return [Modulation(*rows[first : first + 3]) for first in range(0, len(rows), 3)]


class RMSNorm(nn.Module):
    """Features divided by their root mean square (Zhang and Sennrich 2019); no parameters unless `affine`."""

    def __init__(self, dim: int, affine: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; the last axis has unit root mean square."""
        return rms_norm(x, self.weight)


def rms_norm(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """The norm x / rms(x) * weight along the last axis, in the number format of x."""
    normed = nn.functional.rms_norm(x, x.shape[-1:])
    return normed if weight is None else normed * weight.to(x.dtype)

"""Spatial super-resolution network: convolutions on a pixel-unshuffled grid, with temporal mixing.

It sees a fixed neighbourhood and nothing else, so any size and length goes, and tiles with a margin of
`halo` give what the whole picture gives.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from framefall.layers.convolution import ResidualBlock, TemporalMixing, by_row
from framefall.layers.modulation import LevelEmbedding, shared_level, zeroed
from framefall.layers.spacetime import Images
from framefall.models.backbone import Backbone, BackboneSettings, Condition
from framefall.ranges import Channels, Depth, Features, Side, within
from framefall.video import Time, Video

Drawn = Float[Tensor, "images drawn_channels drawn_height drawn_width"]  # on the grid of pixels


@dataclass(frozen=True, kw_only=True)
class ConvNetConfig(BackboneSettings):
    """Sizes of a `SpaceTimeConvNet`."""

    kind: Literal["convnet"] = "convnet"
    channels: Channels = 3
    dim: Features = 64
    depth: Depth = 8  # residual blocks
    unshuffle: Annotated[int, within(1, 8)] = 4  # pixels a cell of the inner grid has along each side
    mix_every: Side = 4  # blocks between two temporal mixings
    edges: bool = False  # each cell has a second colour, and a side of an edge for each pixel
    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        if self.unshuffle not in (1, 2, 4, 8):
            raise ValueError(f"unshuffle must be 1, 2, 4 or 8, so that tiles fit the grid, got {self.unshuffle}; try 4")

    @property
    def low_res_channels(self) -> int:
        """The enlarged low-resolution video."""
        return self.channels


class SpaceTimeConvNet(Backbone):
    """x0 = enlarged low-resolution video + what the network adds. Untrained it adds nothing.

    With `edges` a step between two colours is added besides: tanh(side) * step, the step of a cell and the side of a
    pixel. What is added is linear in the features, of which a sharp edge somewhere within a cell would need one for
    each place and pair of colours; a side that changes sign where the edge lies needs none but its place.
    """

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        dim, cell = config.dim, config.unshuffle**2
        self.conv_in = nn.Conv2d(2 * config.channels * cell, dim, 3, padding=1)
        self.time_embed = LevelEmbedding(dim)
        self.low_res_noise_embed = LevelEmbedding(dim)
        self.blocks = nn.ModuleList(ResidualBlock(dim, dim) for _ in range(config.depth))
        self.temporal_convs = nn.ModuleList(TemporalMixing(dim) for _ in range(config.depth // config.mix_every))
        self.conv_out = zeroed(nn.Conv2d(dim, config.channels * cell, 3, padding=1))
        self.conv_side = nn.Conv2d(dim, cell, 3, padding=1) if config.edges else None
        self.conv_step = zeroed(nn.Conv2d(dim, config.channels, 3, padding=1)) if config.edges else None
        reach = 2 + sum(ResidualBlock.reach for _ in self.blocks)
        self.halo = (len(self.temporal_convs) * TemporalMixing.reach, reach * config.unshuffle)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """A video of the size of `x_t`."""
        if condition.low_res is None:
            raise ValueError("this network needs the enlarged video as condition.low_res, got none; show it one")
        config, frames = self.config, x_t.shape[2]
        t = shared_level(t)
        level = self.time_embed(t[:, None] if t.ndim == 1 else t)  # b i d
        if condition.low_res_noise is not None:
            level = level + self.low_res_noise_embed(condition.low_res_noise)[:, None]
        level = F.silu(level).expand(-1, frames, -1).flatten(0, 1)  # (b f) d
        height, width = x_t.shape[-2:]
        pixels = torch.cat((x_t, condition.low_res), dim=1).transpose(1, 2).flatten(0, 1)
        padding = (0, -width % config.unshuffle, 0, -height % config.unshuffle)
        if any(padding):
            pixels = F.pad(pixels, padding, mode="replicate")
        rows = F.pixel_unshuffle(pixels, config.unshuffle).contiguous(memory_format=torch.channels_last)
        h = by_row(self.conv_in, rows)  # (b f) d h w
        for index, block in enumerate(self.blocks):
            h = self._run(block, h, level)
            if (index + 1) % config.mix_every == 0:
                h = self._run(self.temporal_convs[index // config.mix_every], h, frames)
        added = self._drawn(F.silu(h))[..., :height, :width]
        return condition.low_res + added.float().unflatten(0, (-1, frames)).transpose(1, 2)

    def _drawn(self, h: Images) -> Drawn:
        """What is added to the enlarged video, from the features of cells."""
        cell = self.config.unshuffle
        added = F.pixel_shuffle(by_row(self.conv_out, h), cell)
        if self.conv_side is None or self.conv_step is None:
            return added
        side = F.pixel_shuffle(by_row(self.conv_side, h), cell).tanh()
        step = F.interpolate(by_row(self.conv_step, h), scale_factor=float(cell), mode="nearest")
        return torch.addcmul(added, side, step)

    def _run(self, block: nn.Module, h: Tensor, argument: Tensor | int) -> Tensor:
        if self.config.checkpoint_activations and torch.is_grad_enabled():
            return checkpoint(block, h, argument, use_reentrant=False)
        return block(h, argument)

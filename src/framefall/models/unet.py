"""Space-time U-Net: convolutions within frames, and attention or convolution along time between them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from framefall.layers.attention import MultiHeadAttention
from framefall.layers.content import ContentWord
from framefall.layers.fusion import JointAttention, SpatialAttention, TemporalAttention, WindowedAttention
from framefall.layers.modulation import LevelEmbedding, added_later, shared_level, small_word, zeroed
from framefall.layers.patterns import parse
from framefall.layers.spacetime import FrameNorm, Images, SpaceTimeBlock
from framefall.layers.tokens import coordinates, rotary_angles, time_angles
from framefall.models.backbone import (
    Backbone,
    BackboneSettings,
    Condition,
    baked_scale,
    check_baked,
    check_content,
    with_places,
)
from framefall.ranges import Channels, Features, Levels, Scale, Side, Some, within
from framefall.video import Time, Video

Level = Float[Tensor, "batch instants level_dim"]
TextStates = Float[Tensor, "batch words features"]


@dataclass(frozen=True, kw_only=True)
class UNetConfig(BackboneSettings):
    """Sizes of a `SpaceTimeUNet`. Level 0 is the outermost; each further one halves height and width.

    Most parameters sit where there are few pixels, so that they cost little (Saharia et al. 2022, Efficient U-Net).
    Channels that are multiples of 32 are the fastest. The default has ten million for clips of 16x64x64.
    """

    kind: Literal["unet"] = "unet"
    channels: Channels = 3
    out_channels: Channels | None = None  # None: as many as come in
    low_res_channels: Some = 0  # what the stage shows of known frames; 0 for a base that starts from nothing
    structure_channels: Some = 0  # of a structure that it is told, with how exactly; 0: none
    dim: Features = 32
    multipliers: Levels = (1, 2, 3, 6, 12)  # of dim, a level each
    blocks: Levels = (1, 1, 1, 1, 2)  # residual blocks of a level, on the way in and again on the way out
    unshuffle: Annotated[int, within(1, 8)] = 1  # pixels a cell of level 0 has along each side
    head_dim: Annotated[int, within(8, 1024)] = 32
    spatial_from: Some = 2  # the outermost level with attention within frames
    temporal_from: Some = 1  # the outermost level where frames see each other
    fusion: Literal["per_frame", "conv3d", "temporal", "sparse", "joint"] = "temporal"
    pattern: str = "window(2)"  # which frames a frame sees, of `sparse`
    window: Side = 4  # positions a side within which all frames see each other, of `joint` outside `spatial_from`
    convolution: Literal["factorised", "joint"] = "factorised"  # how it spans time, of `conv3d`
    text_dim: Some = 0  # features of a caption's token; 0: no text at all
    words: Channels = 24  # tokens of a caption, as prefix in attention within frames
    numbers: Some = 0  # how many numbers condition a clip
    content_dim: Some = 0  # features of an embedding of what things look like; 0: none
    flow_map: bool = False  # told the time that a step goes to, so that few steps do (framefall distill)
    baked_guidance: tuple[Scale, Scale] | None = None  # the guidance scales it takes as an input; None: none
    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        if not self.multipliers or len(self.multipliers) != len(self.blocks):
            raise ValueError(
                f"multipliers and blocks must name the same levels, got {len(self.multipliers)} and {len(self.blocks)};"
                f" try blocks={(1,) * len(self.multipliers)}"
            )
        if not all(self.multipliers):
            raise ValueError(f"multipliers must be at least 1, got {self.multipliers}; try (1, 2, 3)")
        if self.unshuffle not in (1, 2, 4, 8):
            raise ValueError(f"unshuffle must be 1, 2, 4 or 8, got {self.unshuffle}; try 2")
        outermost = min(self.spatial_from, self.temporal_from if self.fusion in _ATTENTIVE else 99)
        odd = [dim for dim in self.dims[outermost:] if dim % self.head_dim]
        if odd or self.head_dim % 8:
            raise ValueError(
                f"head_dim must be a multiple of 8 that divides the channels of levels with attention,"
                f" got head_dim={self.head_dim} for {self.dims[outermost:]}; try head_dim=8"
            )
        if self.window < 1:
            raise ValueError(f"window must be at least 1, got {self.window}; try 4")
        check_baked(self)
        check_content(self)
        parse(self.pattern)

    def attended(self, frames: int, height: int, width: int) -> int:
        """Of the outermost level with attention within frames; of all frames in `joint`."""
        if self.spatial_from >= len(self.multipliers):
            return 0
        cell = self.unshuffle * 2**self.spatial_from
        return -(-height // cell) * -(-width // cell) * (frames if self.fusion == "joint" else 1)

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(self.dim * multiplier for multiplier in self.multipliers)

    @property
    def stride(self) -> int:
        """Pixels that one of the innermost level spans: sizes are filled up to multiples of it."""
        return self.unshuffle * 2 ** (len(self.multipliers) - 1)


_ATTENTIVE = ("temporal", "sparse", "joint")  # fusions by attention


class AttentionBlock(nn.Module):
    """Norm, attention within a frame or along time, residual; starts as the identity."""

    def __init__(self, layer: MultiHeadAttention, dim: int) -> None:
        super().__init__()
        self.norm = FrameNorm(dim)
        self.attn = layer
        zeroed(layer.proj)

    def forward(self, x: Images, frames: int, **arguments: object) -> Images:
        """Images of clips of `frames` frames each."""
        normed = self.norm(x).permute(0, 2, 3, 1)  # channels last: a view
        added = self.attn(normed.flatten(1, 2).unflatten(0, (-1, frames)), **arguments)
        return x + added.view(normed.shape).permute(0, 3, 1, 2)


class UNetLevel(nn.Module):
    """One level on the way in or out: residual blocks, attention within each frame, attention along time."""

    def __init__(self, config: UNetConfig, index: int) -> None:
        super().__init__()
        dim, level_dim = config.dims[index], _level_dim(config)
        fusion = config.fusion if index >= config.temporal_from else "per_frame"
        kind = config.convolution if fusion == "conv3d" else "per_frame"
        self.resnets = nn.ModuleList(SpaceTimeBlock(dim, level_dim, kind) for _ in range(config.blocks[index]))
        self.spatial = self.temporal = self.text_proj = None
        heads = dim // config.head_dim
        if index >= config.spatial_from:
            within = JointAttention if fusion == "joint" else SpatialAttention
            self.spatial = AttentionBlock(within(dim, heads), dim)
            self.text_proj = nn.Linear(config.text_dim, dim) if config.text_dim else None
        if fusion in ("temporal", "sparse"):
            pattern = parse(config.pattern) if fusion == "sparse" else None
            self.temporal = AttentionBlock(TemporalAttention(dim, heads, pattern), dim)
        elif fusion == "joint" and index < config.spatial_from:  # too many positions for all to see all
            self.temporal = AttentionBlock(WindowedAttention(dim, heads, config.window), dim)
        self.cell = config.unshuffle * 2**index  # pixels a position has along each side

    def forward(
        self, x: Images, level: Level, seconds: Float[Tensor, "batch frames"], text: TextStates | None
    ) -> Images:
        """Same shape."""
        frames = seconds.shape[1]
        for block in self.resnets:
            x = block(x, level, frames)
        if self.spatial is not None:
            context = None if text is None or self.text_proj is None else self.text_proj(text)
            angles = self._joint_angles(x, seconds)
            x = self.spatial(x, frames, angles=angles, context=context)
        if self.temporal is not None and frames > 1:
            if isinstance(self.temporal.attn, WindowedAttention):
                x = self.temporal(x, frames, angles=self._window_angles(x, seconds), size=tuple(x.shape[2:]))
            else:
                x = self.temporal(x, frames, seconds=seconds)
        return x

    def _window_angles(self, x: Images, seconds: Float[Tensor, "batch frames"]) -> Tensor:
        """Where tokens lie in time and within the frame."""
        assert self.temporal is not None
        height, width = (side * self.cell for side in x.shape[2:])
        positions = coordinates(seconds - seconds[:, :1], height, width, (1, self.cell, self.cell))
        return rotary_angles(positions, x.shape[1] // self.temporal.attn.heads)

    def _joint_angles(self, x: Images, seconds: Float[Tensor, "batch frames"]) -> Tensor | None:
        """Where tokens of all frames lie in time, for joint attention; within a frame content tells them apart."""
        layer = self.spatial.attn if self.spatial is not None else None
        if not isinstance(layer, JointAttention):
            return None
        angles = time_angles(seconds - seconds[:, :1], x.shape[1] // layer.heads)
        return angles.repeat_interleave(x.shape[2] * x.shape[3], dim=1)


class SpaceTimeUNet(Backbone):
    """The factorised 3-D U-Net of VDM (Ho et al. 2022) and of Imagen Video (Ho et al. 2022b), made for a few cores.

    `fusion` says how frames see each other: not at all, by convolution over time (Imagen Video's super-resolution),
    by attention along time at each position (VDM, Imagen Video's base), by that over a pattern of frames, or by
    attention over all positions of all frames where the others look within a frame (Sora's, in a U-Net), and over
    windows of positions where a frame has too many. All share the weights that work within a frame. Of a clip of one
    frame those are all that work, so that images and clips train one network. Text enters as prefix tokens and,
    pooled, with the level.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        dims, level_dim, cell = config.dims, _level_dim(config), config.unshuffle**2
        inside = config.channels + config.low_res_channels + config.structure_channels
        self.conv_in = nn.Conv2d(inside * cell, dims[0], 3, padding=1)
        self.time_embed = LevelEmbedding(level_dim)
        self.low_res_noise_embed = LevelEmbedding(level_dim) if config.low_res_channels else None
        self.until_embed = added_later(level_dim) if config.flow_map else None
        self.guidance_embed = added_later(level_dim) if config.baked_guidance else None
        steps = list(enumerate(pairwise(dims)))
        self.down_blocks = nn.ModuleList(UNetLevel(config, index) for index, _ in steps)
        self.downsamplers = nn.ModuleList(nn.Conv2d(outer, inner, 2, stride=2) for _, (outer, inner) in steps)
        self.mid_block = UNetLevel(config, len(dims) - 1)
        self.upsamplers = nn.ModuleList(nn.ConvTranspose2d(inner, outer, 2, stride=2) for _, (outer, inner) in steps)
        self.skip_convs = nn.ModuleList(nn.Conv2d(outer, outer, 1, bias=False) for outer in dims[:-1])
        self.up_blocks = nn.ModuleList(UNetLevel(config, index) for index, _ in steps)
        self.conv_norm_out = FrameNorm(dims[0])
        self.conv_out = zeroed(nn.Conv2d(dims[0], (config.out_channels or config.channels) * cell, 3, padding=1))
        if config.text_dim:
            self.pooled_text_proj = nn.Linear(config.text_dim, level_dim)
            self.null_text = small_word(config.text_dim)
        if config.numbers:
            self.number_proj = nn.Linear(config.numbers, level_dim, bias=False)
        self.content = ContentWord(config.content_dim, config.text_dim, level_dim) if config.content_dim else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Float[Tensor, "batch out frames height width"]:
        """A video of the size of `x_t`, with `out_channels` channels."""
        config, (*_, frames, height, width) = self.config, x_t.shape
        level, text = self._embed(t, condition)
        pixels = with_places(x_t, condition, config).transpose(1, 2).flatten(0, 1)
        if height % config.stride or width % config.stride:
            pixels = F.pad(pixels, (0, -width % config.stride, 0, -height % config.stride), mode="replicate")
        rows = F.pixel_unshuffle(pixels, config.unshuffle).contiguous(memory_format=torch.channels_last)
        h = self.conv_in(rows)  # (b f) d h w
        kept: list[Tensor] = []
        for stage, shrink in zip(self.down_blocks, self.downsamplers, strict=True):
            kept.append(self._run(stage, h, level, condition.seconds, text))
            h = shrink(kept[-1])
        h = self._run(self.mid_block, h, level, condition.seconds, text)
        for index in reversed(range(len(self.up_blocks))):
            h = self.upsamplers[index](h) + self.skip_convs[index](kept.pop())
            h = self._run(self.up_blocks[index], h, level, condition.seconds, text)
        made = F.pixel_shuffle(self.conv_out(F.silu(self.conv_norm_out(h))), config.unshuffle)[..., :height, :width]
        return made.float().unflatten(0, (-1, frames)).transpose(1, 2)

    def _embed(self, t: Time, condition: Condition) -> tuple[Level, TextStates | None]:
        """What steers every block, of the clip or of each frame, and the words."""
        config, text = self.config, None
        t = shared_level(t)
        level = self.time_embed(_instants(t))  # b i d
        if self.until_embed is not None:
            level = level + self.until_embed(_instants(t if condition.until is None else shared_level(condition.until)))
        if self.guidance_embed is not None:
            level = level + self.guidance_embed(baked_scale(condition, config))[:, None]
        if self.low_res_noise_embed is not None and condition.low_res_noise is not None:
            level = level + self.low_res_noise_embed(condition.low_res_noise)[:, None]
        if config.text_dim and condition.text is not None and condition.text_mask is not None:
            said, real = condition.text, condition.text_mask
            if self.content is not None:
                said, real, shown = self.content(said, real, condition.content)
                level = level + shown[:, None]
            text = torch.where(real[..., None], said, self.null_text)
            level = level + self.pooled_text_proj(text.mean(1))[:, None]
        if config.numbers and condition.numbers is not None:
            level = level + self.number_proj(condition.numbers)
        return F.silu(level), text

    def _run(self, stage: nn.Module, h: Tensor, *arguments: Tensor | None) -> Tensor:
        if self.config.checkpoint_activations and torch.is_grad_enabled():
            return checkpoint(stage, h, *arguments, use_reentrant=False)
        return stage(h, *arguments)


def _instants(t: Time) -> Float[Tensor, "batch instants"]:
    """The clip's level alone, or each frame's."""
    return t[:, None] if t.ndim == 1 else t


def _level_dim(config: UNetConfig) -> int:
    return 4 * config.dim

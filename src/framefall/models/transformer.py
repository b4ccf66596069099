"""Space-time diffusion transformer: spacetime patches as tokens, and a choice of which tokens see which."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from framefall.layers.attention import SelfAttention, SwiGLU
from framefall.layers.compiled import is_read
from framefall.layers.content import ContentWord
from framefall.layers.convolution import DetailHead
from framefall.layers.fused import gated_sum, modulate
from framefall.layers.fusion import SpatialAttention, TemporalAttention
from framefall.layers.modulation import BlockModulation, LevelEmbedding, added_later, shared_level, small_word, zeroed
from framefall.layers.patterns import parse
from framefall.layers.tokens import Tokens, coordinates, patchify, rotary_angles, unpatchify
from framefall.models.backbone import (
    Backbone,
    BackboneSettings,
    Condition,
    baked_scale,
    check_baked,
    check_content,
    frame_by_frame,
    with_places,
)
from framefall.ranges import Channels, Depth, Features, Scale, Side, Some
from framefall.video import Time, Video


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(BackboneSettings):
    """Sizes of a `SpaceTimeTransformer`."""

    kind: Literal["transformer"] = "transformer"
    channels: Channels = 3
    out_channels: Channels | None = None  # None: as many as come in
    low_res_channels: Some = 0  # what the stage shows of known frames; 0 for a base that starts from nothing
    structure_channels: Some = 0  # of a structure that it is told, with how exactly; 0: none
    dim: Features = 256
    depth: Depth = 8
    heads: Channels = 4
    patch: tuple[Side, Side, Side] = (2, 8, 8)  # frames, height, width
    fusion: Literal["per_frame", "temporal", "sparse", "joint"] = "joint"  # what a token sees; no choice adds weights
    pattern: str = "window(2)"  # which frames of tokens one sees, of `sparse`
    bottleneck: Features = 128  # pixels enter through a narrow layer: JiT's linear bottleneck
    detail: Some = 0  # channels of a small convolution across patch borders, shown the noisy pixels; 0: none
    text_dim: Some = 0  # features of a caption's token; 0: no text at all
    words: Channels = 24  # tokens of a caption, as prefix
    hide_padding: bool = False  # nobody sees the places that a caption does not fill; False: they hold the null word
    numbers: Some = 0  # how many numbers condition a clip
    content_dim: Some = 0  # features of an embedding of what things look like; 0: none
    flow_map: bool = False  # told the time that a step goes to, so that few steps do (framefall distill)
    baked_guidance: tuple[Scale, Scale] | None = None  # the guidance scales it takes as an input; None: none
    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        if self.dim % self.heads or (self.dim // self.heads) % 8:
            raise ValueError(
                f"dim / heads must be a multiple of 8, got dim={self.dim}, heads={self.heads};"
                f" try heads={max(1, self.dim // 64)}"
            )
        if self.fusion == "per_frame" and self.patch[0] > 1:
            raise ValueError(
                f"per_frame needs patches of one frame, got patch={self.patch}; try patch={(1, *self.patch[1:])}"
            )
        check_baked(self)
        if self.hide_padding and self.fusion not in ("joint", "per_frame"):
            raise ValueError(f"hide_padding needs fusion joint or per_frame, got {self.fusion}; leave it out")
        check_content(self)
        parse(self.pattern)

    def attended(self, frames: int, height: int, width: int) -> int:
        """Of the whole clip, or of a frame where frames are apart; the words with them."""
        deep, high, wide = self.patch
        groups = -(-frames // deep) if self.fusion == "joint" else 1
        return groups * -(-height // high) * -(-width // wide) + (
            self.words + bool(self.content_dim) if self.text_dim else 0
        )


class TransformerBlock(nn.Module):
    """Attention and a gated MLP; each is scaled, shifted and gated by diffusion time, and starts as the identity."""

    def __init__(self, dim: int, heads: int, attention: nn.Module | None = None) -> None:
        super().__init__()
        self.attn = attention or SelfAttention(dim, heads)
        self.mlp = SwiGLU(dim)
        self.modulation = BlockModulation(dim)

    def forward(self, x: Tensor, shared: Tensor, *positional: Tensor) -> Tensor:
        """`[batch, tokens, dim]`, the network's shared modulation, and where tokens lie: rotary angles, or more.

        The modulation is `[batch, groups, rows, dim]`: as many tokens in a row as there are to a group share it.
        """
        attention, mlp = self.modulation(shared)
        x = gated_sum(x, attention.gate, self.attn(modulate(x, attention.shift, attention.scale), *positional))
        return gated_sum(x, mlp.gate, self.mlp(modulate(x, mlp.shift, mlp.scale)))


class ModulatedNorm(nn.Module):
    """A norm without weights, scaled and shifted by a level (adaLN, Peebles and Xie 2022); starts as the plain norm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = zeroed(nn.Linear(dim, 2 * dim))

    def forward(self, x: Tokens, level: Float[Tensor, "batch groups dim"]) -> Tokens:
        """Same shape."""
        shift, scale = self.linear(level).chunk(2, dim=-1)
        return modulate(x, shift, scale)


class WithinFrames(SpatialAttention):
    """Every token attends to those of its own frame, words included."""

    def forward(self, x: Tokens, angles: Tensor, seconds: Tensor) -> Tokens:  # type: ignore[override]
        """Tokens in the order frames, places; angles `[batch, places, half]`."""
        return super().forward(x.unflatten(1, (seconds.shape[1], -1)), angles).flatten(1, 2)


class AlongTime(TemporalAttention):
    """Every token attends to those at its own place in other frames: in all, or in those of a pattern."""

    def forward(self, x: Tokens, angles: Tensor, seconds: Tensor) -> Tokens:  # type: ignore[override]
        """Tokens in the order frames, places; seconds `[batch, frames]`."""
        return super().forward(x.unflatten(1, (seconds.shape[1], -1)), seconds).flatten(1, 2)


class SpaceTimeTransformer(Backbone):
    """A diffusion transformer (Peebles and Xie 2022) over spacetime patches, text as prefix tokens.

    3-D axial rotary positions in seconds and pixels, QK-norm, adaLN-single, SwiGLU, zero-initialised
    gates and output. Sines of the place within the frame tell apart what relative positions cannot.

    `fusion` is a choice on the same weights. joint: every token sees every token (Sora). temporal, sparse: blocks
    in turn attend within frames and along time (Latte, Ma et al. 2024), where a clip of one frame passes unchanged.
    per_frame: the joint network on each frame by itself, which is an image model run once a frame.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        pixels = config.patch[0] * config.patch[1] * config.patch[2]
        inside = pixels * (config.channels + config.low_res_channels + config.structure_channels)
        outside = pixels * (config.out_channels or config.channels)
        self.proj_in = nn.Sequential(
            nn.Linear(inside, config.bottleneck, bias=False), nn.Linear(config.bottleneck, dim)
        )
        self.pos_embed = nn.Linear(_POSITION_FEATURES, dim, bias=False)
        self.time_embed = LevelEmbedding(dim)
        self.low_res_noise_embed = LevelEmbedding(dim) if config.low_res_channels else None
        self.until_embed = added_later(dim) if config.flow_map else None
        self.guidance_embed = added_later(dim) if config.baked_guidance else None
        self.modulation = zeroed(nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, config.heads, _attention(config, i)) for i in range(config.depth)
        )
        self.norm_out = ModulatedNorm(dim)
        self.proj_out = zeroed(nn.Linear(dim, outside))
        if config.detail:
            shown, made = config.channels, config.out_channels or config.channels
            self.detail = DetailHead(shown + made, config.detail, made)
        if config.text_dim:
            self.text_proj = nn.Linear(config.text_dim, dim)
            self.pooled_text_proj = nn.Linear(config.text_dim, dim)
            self.null_text = small_word(config.text_dim)
        if config.numbers:
            self.number_proj = nn.Linear(config.numbers, dim, bias=False)
        self.content = ContentWord(config.content_dim, config.text_dim, dim) if config.content_dim else None

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Float[Tensor, "batch out frames height width"]:
        """A video of the size of `x_t`, with `out_channels` channels."""
        config = self.config
        *_, frames, height, width = x_t.shape
        if config.fusion == "per_frame" and frames > 1:
            return frame_by_frame(self)(x_t, t, condition)
        pixels = with_places(x_t, condition, config)
        positions = coordinates(condition.seconds, height, width, config.patch)  # b n 3
        places = self.pos_embed(_position_features(positions, height, width))
        x = self.proj_in(patchify(pixels, config.patch)) + places  # b n d
        level = self.time_embed(_by_patch(shared_level(t), config.patch[0]))  # b i d
        if self.until_embed is not None:
            until = t if condition.until is None else condition.until  # by itself: as if it had not been distilled
            level = level + self.until_embed(_by_patch(shared_level(until), config.patch[0]))
        if self.guidance_embed is not None:
            level = level + self.guidance_embed(baked_scale(condition, config))[:, None]
        if self.low_res_noise_embed is not None and condition.low_res_noise is not None:
            level = level + self.low_res_noise_embed(condition.low_res_noise)[:, None]
        if config.numbers and condition.numbers is not None:
            x = x + self._numbers(condition.numbers, frames, x.shape[1])
        apart = config.fusion in ("temporal", "sparse")
        groups = -(-frames // config.patch[0]) if apart else 1  # tokens that lie together, each with its words
        grouped = positions.unflatten(1, (groups, -1))  # b g n 3
        within = F.pad(grouped[:, 0, :, 1:], (1, 0)) if apart else positions
        angles = rotary_angles(within, config.dim // config.heads)
        # tokens in a row that share a level: where levels are the frames', words fill such rows of their own
        row = 1 if level.shape[1] == 1 or apart else _divisor(x.shape[1] // (level.shape[1] - 1))
        words, bias = 0, None
        if config.text_dim and condition.text is not None and condition.text_mask is not None:
            said, real = condition.text, condition.text_mask
            if self.content is not None:
                said, real, shown = self.content(said, real, condition.content)
                level = level + shown[:, None]
            text, pooled, seen = self._words(said, real, row)
            level = level + pooled[:, None]
            words = text.shape[1]
            prefix = self.text_proj(text)[:, None].expand(-1, groups, -1, -1)
            x = torch.cat((prefix, x.unflatten(1, (groups, -1))), dim=2).flatten(1, 2)
            angles = F.pad(angles, (0, 0, words, 0))  # words have no place: they are not turned
            if seen is not None:
                bias = F.pad(torch.where(seen, 0.0, -torch.inf), (0, x.shape[1] - words))
        level = F.silu(level)
        shared = self.modulation(level).unflatten(2, (6, config.dim))  # b i 6 d
        if level.shape[1] > 1:
            of_frames, level = shared[:, 1:], level[:, 1:]
            if not apart:
                of_frames = of_frames.repeat_interleave((x.shape[1] - words) // row // level.shape[1], dim=1)
                of_frames = torch.cat((shared[:, :1].expand(-1, words // row, -1, -1), of_frames), dim=1)
            shared = of_frames
        positional = (angles, grouped[:, :, 0, 0]) if apart else (angles,) if bias is None else (angles, bias)
        for block in self.blocks:
            if config.checkpoint_activations and torch.is_grad_enabled():
                x = checkpoint(block, x, shared, *positional, use_reentrant=False)
            else:
                x = block(x, shared, *positional)
        x = x.unflatten(1, (groups, -1))[:, :, words:].flatten(1, 2)
        x = self.proj_out(self.norm_out(x, level))  # b n (p q r c)
        video = unpatchify(x, config.patch, frames, height, width)
        return self.detail(video, x_t) if config.detail else video

    def _words(self, text: Tensor, real: Tensor, row: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """A caption's states, as many as fill rows of `row`, what all of them add to the level, and which are seen."""
        hidden = self.config.hide_padding
        if hidden and not (is_read() or real.is_meta):  # nor computed, but the first, for the null caption
            real, text = (part[:, : max(1, int(real.sum(1).max()))] for part in (real, text))
        count, added = real.shape[1], -real.shape[1] % row
        if added:
            real, text = F.pad(real, (0, added)), F.pad(text, (0, 0, 0, added))
        text = torch.where(real[..., None], text, self.null_text)
        if not hidden:
            seen = F.pad(torch.ones_like(real[:, :count]), (0, added)) if added else None
            return text, self.pooled_text_proj(text[:, :count].mean(1)), seen
        seen = torch.cat((real[:, :1] | ~real.any(1, keepdim=True), real[:, 1:]), dim=1)
        mean = torch.where(seen[..., None], text, 0.0).sum(1) / seen.sum(1)[:, None]
        return text, self.pooled_text_proj(mean), seen

    def _numbers(self, numbers: Tensor, frames: int, tokens: int) -> Tensor:
        """Numbers as an addition to the tokens of their frames: one instant a clip serves every frame."""
        numbers = numbers.expand(-1, frames, -1) if numbers.shape[1] == 1 else numbers
        step = self.config.patch[0]
        numbers = F.pad(numbers.transpose(1, 2), (0, -frames % step), mode="replicate").transpose(1, 2)
        features = self.number_proj(numbers.unflatten(1, (-1, step)).mean(2))  # b f d
        return features.repeat_interleave(tokens // features.shape[1], dim=1)


def _attention(config: TransformerConfig, index: int) -> nn.Module:
    """What mixes the tokens in a block; all have the same weights by the same names."""
    if config.fusion in ("joint", "per_frame"):
        return SelfAttention(config.dim, config.heads)
    if index % 2 == 0:
        return WithinFrames(config.dim, config.heads)
    return AlongTime(config.dim, config.heads, parse(config.pattern) if config.fusion == "sparse" else None)


def _by_patch(t: Time, step: int) -> Float[Tensor, "batch instants"]:
    """The clip's level alone; or that of its words, the highest of all frames, and each patch's mean of its frames."""
    if t.ndim == 1:
        return t[:, None]
    padded = F.pad(t[:, None], (0, -t.shape[1] % step), mode="replicate")[:, 0]
    return torch.cat((t.amax(1, keepdim=True), padded.unflatten(1, (-1, step)).mean(2)), dim=1)


def _divisor(count: int, most: int = 8) -> int:
    """The largest divisor up to `most`."""
    return next(number for number in range(min(count, most), 0, -1) if count % number == 0)


_OCTAVES = 4
_POSITION_FEATURES = 2 * 2 * _OCTAVES


def _position_features(positions: Tensor, height: int, width: int) -> Float[Tensor, "batch tokens sines"]:
    """Sines and cosines of the place within the frame, from half a turn across it to eight times that."""
    size = torch.tensor([height, width], device=positions.device)
    turns = (positions[..., 1:] / size)[..., None] * (torch.pi * 2.0 ** torch.arange(_OCTAVES, device=positions.device))
    return torch.cat((turns.sin(), turns.cos()), dim=-1).flatten(-2)

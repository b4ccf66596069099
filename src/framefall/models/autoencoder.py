"""A video compression network: any stage can run in its latents (Sora's "video compression network").

The first frame becomes a latent frame by itself, so that an image is a video of one frame; after it every `time`
frames become one: 1 + k * time frames <-> 1 + k latent frames. It is causal in time and sees a fixed neighbourhood
in space, so a clip of any length can be streamed through it and a picture of any size tiled; both give what the
whole gives, to rounding.

The posterior is a Gaussian of one fixed width about the code: a VAE whose KL term is the code's mean square and
whose only number is that width (the sigma-VAE of LatentLM, Sun et al. 2024). A learnt width costs a second set of
channels, falls towards zero wherever the KL term is small enough to keep detail, and then protects nothing; a
fixed one promises a stage that errors up to `noise` in its latents are errors that the decoder has learnt to bear.

Beside the networks runs a linear path, which begins as the truncated cosine transform of each block: untrained, the
autoencoder is a plain codec (about 26 dB on clips of 64 x 64), and all that it learns is what that leaves out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall.layers.causal import CausalBlock, CausalConv, FrameBlock, FrameConv, Past, causally
from framefall.layers.folding import cosines, fold, unfold
from framefall.layers.modulation import RMSNorm, zeroed
from framefall.layers.tiling import by_tiles
from framefall.ranges import Channels, Depth, Features, within
from framefall.video import Video

LatentVideo = Float[Tensor, "batch latent_channels latent_frames latent_height latent_width"]  # unit scale
Codes = Float[Tensor, "batch latent_frames latent_height latent_width latent_channels"]  # as the networks see them


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Sizes of a `VideoAutoencoder`."""

    channels: Channels = 3
    latent_channels: Channels = 16
    dim: Features = 64  # features on the grid of the frames; the grid of the latents has twice as many
    depth: Depth = 2  # residual blocks on each of the two grids, on the way in and on the way out
    space: Annotated[int, within(2, 8)] = 8  # pixels a latent has along each side
    time: Annotated[int, within(1, 4)] = 4  # frames a latent frame has, but for the first
    noise: Annotated[float, within(0, 10)] = 0.1  # width of the posterior: added in training to unit latents

    def __post_init__(self) -> None:
        if self.space not in (2, 4, 8) or self.time not in (1, 2, 4):
            raise ValueError(
                f"space must be 2, 4 or 8 and time 1, 2 or 4, got space={self.space}, time={self.time}; try 8 and 4"
            )
        if min(self.channels, self.latent_channels, self.dim) < 1 or self.depth < 0 or self.noise < 0:
            raise ValueError(
                f"channels and dim must be above 0, depth and noise not below, got {self}; try the defaults"
            )
        if self.latent_channels > math.prod(self.block):
            raise ValueError(
                f"latent_channels must be at most the {math.prod(self.block)} numbers that become one latent,"
                f" got {self.latent_channels}; try 16"
            )

    @property
    def cell(self) -> int:
        """Pixels that a cell of the frames' grid has along each side."""
        return min(self.space, 4)

    @property
    def block(self) -> tuple[int, int, int, int]:
        """What becomes one latent: frames, height, width, channels."""
        return self.time, self.space, self.space, self.channels

    @property
    def halo(self) -> int:
        """How many latents along each side of a tile its values depend on, encoding or decoding."""
        outer = FrameConv.reach + self.depth * FrameBlock.reach
        inner = CausalConv.reach + self.depth * CausalBlock.reach
        return inner + -(-outer * self.cell // self.space)

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Frames, height and width of the latents of a clip of any size."""
        return 1 + -(-(frames - 1) // self.time), -(-height // self.space), -(-width // self.space)


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """Where a clip in pieces stands: all that the next piece must know of those before it."""

    past: tuple[Past, ...] | None = None  # what each causal layer remembers, in order; None: nothing came through yet
    waiting: Video | None = None  # frames that do not fill a group yet


class VideoAutoencoder(nn.Module):
    """Encoder, decoder, and the statistics that give every latent channel zero mean and unit variance."""

    latents_mean: Tensor
    latents_std: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.register_buffer("latents_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latents_std", torch.ones(config.latent_channels))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, video: Video, noise: LatentVideo) -> tuple[Video, LatentVideo]:
        """A training pass: what is made of the noisy latents, and the latents; `noise` has unit variance."""
        *_, frames, height, width = video.shape
        latents = self.encode(video)
        return self.decode(latents + self.config.noise * noise, frames, height, width), latents

    def encode(self, video: Video, tile: int | None = None) -> LatentVideo:
        """The latents; with `tile`, parts of about that many pixels are encoded one after another.

        A last group that is not full is filled with the last frame, a cell at the edge with the last pixel.
        """
        space, (height, width) = self.config.space, video.shape[-2:]
        edges = (0, -width % space, 0, -height % space)
        if any(edges):
            video = F.pad(video.flatten(0, 1), edges, mode="replicate").unflatten(0, video.shape[:2])
        return by_tiles(self._encode, video, self._tile(tile), self.config.halo, inside=space)

    def decode(
        self,
        latents: LatentVideo,
        frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        tile: int | None = None,
    ) -> Video:
        """The video, cut to `frames`, `height` and `width`; with `tile`, in parts of about that many pixels."""
        whole = by_tiles(self._decode, latents, self._tile(tile), self.config.halo, outside=self.config.space)
        return whole[:, :, :frames, :height, :width]

    def encode_next(
        self, video: Video, state: StreamState | None = None, last: bool = False
    ) -> tuple[LatentVideo, StreamState]:
        """The latents of the groups that are full now, perhaps none, and the state for the piece that comes next.

        A clip begins without a state; `last` fills its last group with the last frame. Height and width must be
        multiples of `space`.
        """
        state, time = state or StreamState(), self.config.time
        lone = 1 if state.past is None else 0  # the very first frame is a group by itself
        if state.waiting is not None:
            video = torch.cat((state.waiting, video), dim=2)
        if last and video.shape[2]:
            missing = (lone - video.shape[2]) % time
            video = torch.cat((video, video[:, :, -1:].expand(-1, -1, missing, -1, -1)), dim=2)
        ready = max(0, video.shape[2] - (video.shape[2] - lone) % time)
        if not ready:
            size = (video.shape[-2] // self.config.space, video.shape[-1] // self.config.space)
            none = video.new_zeros(video.shape[0], self.config.latent_channels, 0, *size)
            return none, StreamState(past=state.past, waiting=video)
        code, past = self.encoder(video[:, :, :ready], state.past)
        latents = (code - self.latents_mean) / self.latents_std
        return latents.permute(0, 4, 1, 2, 3), StreamState(past=past, waiting=video[:, :, ready:])

    def decode_next(self, latents: LatentVideo, state: StreamState | None = None) -> tuple[Video, StreamState]:
        """The frames of these latents, and the state for the piece that comes next; a clip begins without one."""
        if not latents.shape[2]:
            size = (latents.shape[-2] * self.config.space, latents.shape[-1] * self.config.space)
            return latents.new_zeros(latents.shape[0], self.config.channels, 0, *size), state or StreamState()
        code = latents.permute(0, 2, 3, 4, 1) * self.latents_std + self.latents_mean
        video, past = self.decoder(code, None if state is None else state.past)
        return video, StreamState(past=past)

    @torch.no_grad()
    def normalise_(self, videos: Iterable[Video]) -> None:
        """Sets the statistics so that the latents of these clips have zero mean and unit variance, by channel."""
        self.latents_mean.zero_()
        self.latents_std.fill_(1.0)
        codes = torch.cat([self.encode(video).double().transpose(0, 1).flatten(1) for video in videos], dim=1)
        self.latents_mean.copy_(codes.mean(1))
        self.latents_std.copy_(codes.std(1).clamp_min(_FAINTEST))

    def _encode(self, video: Video) -> LatentVideo:
        parts, state = [], None
        pieces = (video[:, :, : 1 + _AT_ONCE], *video[:, :, 1 + _AT_ONCE :].split(_AT_ONCE, dim=2))
        for index, piece in enumerate(pieces):
            latents, state = self.encode_next(piece, state, last=index == len(pieces) - 1)
            parts.append(latents)
        return torch.cat(parts, dim=2)

    def _decode(self, latents: LatentVideo) -> Video:
        parts, state = [], None
        for piece in latents.split(_AT_ONCE // self.config.time, dim=2):
            video, state = self.decode_next(piece, state)
            parts.append(video)
        return torch.cat(parts, dim=2)

    def _tile(self, pixels: int | None) -> int | None:
        return None if pixels is None else max(1, pixels // self.config.space)


class Encoder(nn.Module):
    """Frames to codes: blocks on each frame's own grid, then causal blocks on the grid of the latents."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        dim, inner = config.dim, 2 * config.dim
        self.conv_in = FrameConv(config.channels * config.cell**2, dim)
        self.frame_blocks = nn.ModuleList(FrameBlock(dim) for _ in range(config.depth))
        self.downsample = nn.Linear(dim * config.time * (config.space // config.cell) ** 2, inner)
        self.causal_blocks = nn.ModuleList(CausalBlock(inner) for _ in range(config.depth))
        self.conv_mid = CausalConv(inner, inner)
        self.proj_out = nn.Sequential(RMSNorm(inner), nn.SiLU(), zeroed(nn.Linear(inner, config.latent_channels)))
        basis, strength = cosines(config.block, config.latent_channels)
        self.shortcut = _matrix(basis / strength[:, None])

    def forward(self, video: Video, past: tuple[Past, ...] | None) -> tuple[Codes, tuple[Past, ...]]:
        """Whole groups; a clip that begins (`past` is None) begins with its lone first frame."""
        config = self.config
        rows, begins = video.permute(0, 2, 3, 4, 1), past is None
        x = self.conv_in(fold(rows, 1, config.cell))
        for block in self.frame_blocks:
            x = block(x)
        x = self.downsample(fold(_filled(x, config.time, begins), config.time, config.space // config.cell))
        x, past = causally([*self.causal_blocks, self.conv_mid], x, past)
        direct = self.shortcut(fold(_filled(rows, config.time, begins), config.time, config.space))
        return (direct + self.proj_out(x)).float(), past


class Decoder(nn.Module):
    """Codes to frames: the encoder's mirror image."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        dim, inner = config.dim, 2 * config.dim
        self.conv_in = CausalConv(config.latent_channels, inner)
        self.causal_blocks = nn.ModuleList(CausalBlock(inner) for _ in range(config.depth))
        self.upsample = nn.Linear(inner, dim * config.time * (config.space // config.cell) ** 2)
        self.frame_blocks = nn.ModuleList(FrameBlock(dim) for _ in range(config.depth))
        self.norm = RMSNorm(dim)
        self.conv_out = zeroed(FrameConv(dim, config.channels * config.cell**2))
        basis, strength = cosines(config.block, config.latent_channels)
        self.shortcut = _matrix((basis * strength[:, None]).T)

    def forward(self, code: Codes, past: tuple[Past, ...] | None) -> tuple[Video, tuple[Past, ...]]:
        """Whole groups; of the first one of a clip (`past` is None) only the last frame is there."""
        config, first = self.config, self.config.time - 1 if past is None else 0
        x, past = causally([self.conv_in, *self.causal_blocks], code, past)
        x = unfold(self.upsample(x), config.time, config.space // config.cell)[:, first:]
        for block in self.frame_blocks:
            x = block(x)
        direct = unfold(self.shortcut(code), config.time, config.space)[:, first:]
        rows = direct.float() + unfold(self.conv_out(F.silu(self.norm(x))), 1, config.cell)
        return rows.permute(0, 4, 1, 2, 3), past


def _matrix(weight: Tensor) -> nn.Linear:
    """A linear layer that begins as this matrix."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data.copy_(weight)
    nn.init.zeros_(layer.bias)
    return layer


def _filled(rows: Tensor, time: int, begins: bool) -> Tensor:
    """The lone first frame of a clip fills its group."""
    return torch.cat((rows[:, :1].expand(-1, time - 1, -1, -1, -1), rows), dim=1) if begins else rows


_AT_ONCE = 16  # frames that go through together: what they need stays in a cache
_FAINTEST = 1e-4  # a channel that says nothing is not blown up to noise

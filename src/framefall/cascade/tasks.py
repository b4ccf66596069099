"""What a stage of a cascade makes: a clip, more frames of one, or larger ones. One frozen object a task.

A task is the same object in a stage's config, in training and in sampling, so that these cannot disagree: it says
what a training example is, what the stage is conditioned on, and in which segments a long video is made.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from framefall.cascade.conditioning import Conditioning, coasting, shown
from framefall.cascade.known import Known, Mask
from framefall.data.buckets import Bucket
from framefall.layers.motion import bidirectional_flow, warp_between
from framefall.ranges import Length, Scale, Share, Some, listed, within
from framefall.video import Video, resize

Target = Float[Tensor, "batch channels made height width"]  # a video of fewer frames than it was cut from
StructureKind = Literal["", "edges", "mask"]
LowRes = Float[Tensor, "batch channels given low_height low_width"]  # a video of the stage below


@dataclass(frozen=True)
class Segment:
    """A piece of a stage's work: `frames` are sampled from `inputs`, of which `keep` goes on."""

    inputs: range  # frames of the stage below; beyond its end its last frame repeats
    frames: range  # frames that are sampled
    keep: range  # frames that are handed on


class TaskKind(ABC):
    """One of the three kinds of work in a cascade. What a kind has no use for is absent."""

    kind: str
    super_resolution = False  # whether there is a stage below
    crops = False  # whether training examples are crops at full resolution

    @property
    def time_factor(self) -> int:
        """Frames made of one."""
        return 1

    @property
    def space_factor(self) -> int:
        """Rows and columns made of one."""
        return 1

    @property
    def bridge(self) -> float | None:
        """Start from the prior plus this much noise; None: from noise alone."""
        return None

    @property
    def spread(self) -> float:
        """Of a bridge: how far x0 lies from the prior, as a standard deviation."""
        return 0.1

    @property
    def low_res_noise(self) -> float:
        """The strongest noise-conditioning augmentation in training."""
        return 0.0

    @property
    def relative_loss(self) -> bool:
        """Whether the loss is the logarithm of a clip's error over its prior's: decibels, not brightness."""
        return False

    @property
    def known(self) -> int | Literal["any"]:
        """Up to how many given first frames the stage can go on from; or that it can be told any frames."""
        return 0

    def most_given(self, frames: int) -> int:
        """Up to how many of a clip's frames may be given."""
        return frames - 1 if self.known == "any" else self.known

    @property
    def motion(self) -> bool:
        """Whether it is shown where what moves in given frames would be in the others."""
        return False

    @property
    def structure(self) -> StructureKind:
        """What the stage is told of where things are; empty: nothing."""
        return ""

    @property
    def buckets(self) -> tuple[Bucket, ...] | Literal["auto"]:
        """Shapes beside its own that the stage is trained on, and can make."""
        return ()

    @abstractmethod
    def low_res_channels(self, channels: int) -> int:
        """Channels of the conditioning that the network sees beside the noisy video."""

    @abstractmethod
    def example_frames(self, frames: int) -> int:
        """Frames of the clip that a training example of `frames` is cut from."""

    @property
    def least_frames(self) -> int:
        """Frames that are made at a time, however short the stage's own clip is."""
        return 1

    @abstractmethod
    def example(self, video: Video) -> tuple[Target, LowRes | None]:
        """A training example: the clean target, and what the stage below would have made of it."""

    @abstractmethod
    def conditioning(
        self, low: Video | None, frames: int, corrupted: Video | None = None, known: Known | None = None
    ) -> Conditioning:
        """What the stage is conditioned on to make `frames` from the stage below's `low`, and what of them is `known`.

        `corrupted` is what it sees of `low`, where noise-conditioning augmentation is on.
        """

    def output_size(self, low: Video) -> tuple[int, int]:
        """Height and width of what is made of `low`."""
        return low.shape[-2] * self.space_factor, low.shape[-1] * self.space_factor


@dataclass(frozen=True, kw_only=True)
class Base(TaskKind):
    """Makes a short clip of nothing but noise and a condition, or the rest of one of which something is given.

    Up to `known` first frames may be given; or, if it is `any`, any frames and any parts of them. Then diffusion time
    is one number a frame (Chen et al. 2024, Diffusion Forcing): a given frame's is 0.
    """

    kind: Literal["base"] = "base"
    known: Some | Literal["any"] = 0
    motion: bool = False  # of `any`: whether it is shown where what moves in known frames would be in the others
    structure: StructureKind = ""  # what it is told of where things are, as in Gen-1; empty: nothing
    # shapes beside its own that it is trained on, and can make
    buckets: Annotated[tuple[Bucket, ...], listed(256)] | Literal["auto"] = ()

    def __post_init__(self) -> None:
        if self.motion and self.known != "any":
            raise ValueError(f"motion needs known any, got {self.known}; leave it out, or set known='any'")

    def low_res_channels(self, channels: int) -> int:
        """The given frames and where they are; none if it is never given any."""
        return channels + 1 if self.known else 0

    def example_frames(self, frames: int) -> int:
        """The same."""
        return frames

    def example(self, video: Video) -> tuple[Target, LowRes | None]:
        """The clip itself; there is no stage below."""
        return video, None

    def conditioning(
        self, low: Video | None, frames: int, corrupted: Video | None = None, known: Known | None = None
    ) -> Conditioning:
        """What is known and where it is, as far as the network can be told; nothing without any."""
        if known is None:
            return Conditioning()
        if not self.can_be_told(known):
            return Conditioning(known=known)
        levels, sure = None, _sure(known)
        if self.known == "any":
            doubt = torch.zeros(known.frames, device=known.video.device) if known.doubt is None else known.doubt
            levels = torch.where(known.whole_frames() > 0, doubt, torch.nan)
            sure = sure * (doubt == 0).to(sure.dtype)[:, None, None]  # what is in doubt is noisy, and not shown beside
        low_res = shown(known.video, sure)
        if self.motion:
            low_res = coasting(low_res, known.video, (known.whole_frames() > 0).expand(len(low_res), -1))
        return Conditioning(low_res=low_res, known=known, levels=levels)

    def can_be_told(self, known: Known) -> bool:
        """Whether the network takes such knowledge as an input; what it does not take must be kept from outside."""
        if self.known == "any":
            return True
        whole = known.whole_frames()
        count = int(whole[0].cumprod(0).sum())
        first = torch.arange(whole.shape[1], device=whole.device) < count
        return 0 < count <= self.known and bool((_sure(known) == first.float()[:, None, None]).all())

    def history(self, frames: int) -> int:
        """How many frames a window of `frames` is told of those before it, in a clip longer than that."""
        return frames * 3 // 8 if self.known == "any" else min(self.known or frames // 4, frames - 1)


@dataclass(frozen=True, kw_only=True)
class SuperResolution(TaskKind):
    """What the two kinds of super-resolution share."""

    super_resolution = True
    factor: Annotated[int, within(2, 64)] = 4
    bridge: Scale | None = None
    spread: Scale = 0.1
    low_res_noise: Share = 0.0
    relative_loss: bool = False

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise ValueError(f"factor must be at least 2, got {self.factor}; try 4")
        if self.bridge is not None and not (self.bridge > 0 and self.spread > 0):
            given = f"bridge={self.bridge}, spread={self.spread}"
            raise ValueError(f"bridge and spread must be above 0, got {given}; try bridge=0.5, spread=0.1")

    @abstractmethod
    def next_segment(
        self, made: int, have: int, ended: bool, *, frames: int, total: int | None, halo: int
    ) -> Segment | None:
        """The next piece after `made` frames; none when all is done or more than `have` inputs must come first.

        `frames` are made by default, `total` are asked for, and `halo` is the network's reach in frames.
        """


@dataclass(frozen=True, kw_only=True)
class TemporalSR(SuperResolution):
    """Makes `factor` frames of each interval between two frames, `intervals` of them at a time.

    Given frames stay as they are: frame j of the input is frame j * factor of the output. A segment
    shares its first given frame with the one before, so segments are independent of each other.
    Frames asked for beyond the last given one continue from it.
    """

    kind: Literal["temporal_sr"] = "temporal_sr"
    intervals: Length = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.intervals < 1:
            raise ValueError(f"intervals must be at least 1, got {self.intervals}; try 5")

    @property
    def time_factor(self) -> int:
        """`factor`."""
        return self.factor

    @property
    def least_frames(self) -> int:
        """Those of all intervals."""
        return self.intervals * self.factor

    def low_res_channels(self, channels: int) -> int:
        """The given frames on both sides, and how far it is on the way."""
        return 2 * channels + 1

    def example_frames(self, frames: int) -> int:
        """All intervals, with the given frames at both ends."""
        return self.intervals * self.factor + 1

    def example(self, video: Video) -> tuple[Target, LowRes | None]:
        """Of `1 + intervals * factor` frames, those after the first; and every `factor`-th of all."""
        return video[:, :, 1:], video[:, :, :: self.factor]

    def conditioning(
        self, low: Video | None, frames: int, corrupted: Video | None = None, known: Known | None = None
    ) -> Conditioning:
        """For each frame the given ones around it, moved to its moment, and how far it is on the way; their
        blend as the prior. Motion is found in the uncorrupted frames.
        """
        if low is None:
            raise ValueError("temporal super-resolution needs given frames, got none; give it a video")
        seen = low if corrupted is None else corrupted
        before, after, forward, backward = (
            given.repeat_interleave(self.factor, dim=2)
            for given in (seen[:, :, :-1], seen[:, :, 1:], *bidirectional_flow(low))
        )
        way = (torch.arange(before.shape[2], device=low.device) % self.factor + 1) / self.factor
        fraction = way[:, None, None].expand(before.shape[0], 1, *before.shape[2:]).to(low.dtype)
        before, after = warp_between(before, after, forward, backward, fraction)
        return Conditioning(
            low_res=torch.cat((before, after, fraction), dim=1),
            prior=torch.lerp(before, after, fraction),
            known=self._keyframes(low, known),
        )

    def _keyframes(self, low: Video, known: Known | None) -> Known:
        """The given frames of a segment after its first, where they stand, over whatever else is known."""
        batch, channels, given, height, width = low.shape
        frames = (given - 1) * self.factor
        at = range(self.factor - 1, frames, self.factor)
        video = low.new_zeros(batch, channels, frames, height, width) if known is None else known.video.clone()
        mask = (
            low.new_zeros(1, 1, frames, 1, 1)
            if known is None
            else known.weights.expand(batch, 1, frames, height, width).clone()
        )
        video[:, :, at], mask[:, :, at] = low[:, :, 1:], 1.0
        return Known(video=video, mask=mask)

    def next_segment(
        self, made: int, have: int, ended: bool, *, frames: int, total: int | None, halo: int
    ) -> Segment | None:
        """The next `intervals` intervals; the first segment also hands on the very first given frame."""
        wanted = total or ((have - 1) * self.factor + 1 if ended else made + 1)
        span = self.intervals * self.factor
        index = max(0, made - 1) // span
        first = index * self.intervals
        if made >= wanted or have == 0 or (not ended and have < first + self.intervals + 1):
            return None
        sampled = range(index * span + 1, (index + 1) * span + 1)
        stop = sampled.stop if total is None and not ended else min(sampled.stop, wanted)
        return Segment(range(first, first + self.intervals + 1), sampled, range(made, stop))


@dataclass(frozen=True, kw_only=True)
class SpatialSR(SuperResolution):
    """Makes each frame `factor` times as high and wide, some at a time with the network's reach on both sides."""

    kind: Literal["spatial_sr"] = "spatial_sr"
    at_once: Length = 32  # frames that are sampled at a time
    crops = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at_once < 1:
            raise ValueError(f"at_once must be at least 1, got {self.at_once}; try 32")

    @property
    def space_factor(self) -> int:
        """`factor`."""
        return self.factor

    def low_res_channels(self, channels: int) -> int:
        """The enlarged video."""
        return channels

    def example_frames(self, frames: int) -> int:
        """The same."""
        return frames

    def example(self, video: Video) -> tuple[Target, LowRes | None]:
        """The clip, and the mean of each `factor` x `factor` block of it."""
        return video, resize(video, video.shape[-2] // self.factor, video.shape[-1] // self.factor, "area")

    def conditioning(
        self, low: Video | None, frames: int, corrupted: Video | None = None, known: Known | None = None
    ) -> Conditioning:
        """The bicubic enlargement."""
        if low is None:
            raise ValueError("spatial super-resolution needs a small video, got none; give it one")
        large = resize(low if corrupted is None else corrupted, *self.output_size(low))
        return Conditioning(low_res=large, prior=large, known=known)

    def next_segment(
        self, made: int, have: int, ended: bool, *, frames: int, total: int | None, halo: int
    ) -> Segment | None:
        """The next frames, computed with a margin so that the cut does not show."""
        stop = min(made + self.at_once, total or made + self.at_once, have if ended else made + self.at_once)
        if stop <= made or (not ended and have < stop + halo):
            return None
        sampled = range(max(0, made - halo), min(have, stop + halo))
        return Segment(sampled, sampled, range(made, stop))


Task = Annotated[Base | TemporalSR | SpatialSR, Field(discriminator="kind")]


def _sure(known: Known) -> Mask:
    """1 where it is known for certain: a network is told of nothing that is half to be made anew."""
    return (known.weights >= 1.0).to(known.video.dtype)

"""What a stage makes, what it is shown of the stage below, and how training imitates that.

A task is the same object in training and in sampling, so that the two cannot disagree.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from framefall.layers.motion import flows, meet
from framefall.video import Time, Video, resize

TaskName = Literal["base", "temporal_sr", "spatial_sr"]
Answer = Float[Tensor, "batch channels made height width"]  # a video of fewer frames than it was cut from
Below = Float[Tensor, "batch channels given low_height low_width"]  # a video of the stage below


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a stage knows of its answer beforehand."""

    # channels beside the noisy video, on its grid
    low_res: Float[Tensor, "batch shown frames height width"] | None = None
    prior: Video | None = None  # the plain guess that a bridge starts from
    given: Float[Tensor, "batch channels known height width"] | None = None  # frames that are known exactly ...
    given_at: tuple[int, ...] = ()  # ... and where they stand among the stage's frames


@dataclass(frozen=True)
class Window:
    """A piece of a stage's work: `frames` are computed from `inputs`, of which `keep` goes on."""

    inputs: range  # frames of the stage below; beyond its end its last frame repeats
    frames: range  # frames that are sampled
    keep: range  # frames that are handed on


class Task(ABC):
    """One of the three kinds of work in a cascade."""

    @abstractmethod
    def shrink(self, video: Video) -> tuple[Answer, Below | None]:
        """A training example: the clean answer, and what the stage below would have made of it."""

    @abstractmethod
    def show(self, low: Video | None, seen: Video | None = None) -> Shown:
        """What the stage is told of the stage below's frames; `seen` is what it sees of them, if that is corrupted."""

    def size(self, low: Video) -> tuple[int, int]:
        """Height and width of the answer."""
        return low.shape[-2], low.shape[-1]

    @abstractmethod
    def window(self, made: int, have: int, ended: bool) -> Window | None:
        """The next piece after `made` frames; nothing when all is done or more than `have` inputs must come first."""


@dataclass(frozen=True)
class Base(Task):
    """Makes a short clip of nothing but noise and a condition; or goes on from first frames that it is given."""

    frames: int
    total: int | None = None  # how many of them are asked for
    known: int = 0  # how many first frames it can be given

    def shrink(self, video: Video) -> tuple[Answer, Below | None]:
        """The clip itself; there is no stage below."""
        return video, None

    def show(self, low: Video | None, seen: Video | None = None) -> Shown:
        """The given first frames and where they are; nothing without any."""
        if low is None:
            return Shown()
        given = low.shape[2]
        if not 0 < given <= min(self.known, self.frames - 1):
            raise ValueError(f"this base stage can be given up to {self.known} first frames, got {given}; give fewer")
        rest = low.new_zeros(*low.shape[:2], self.frames - given, *low.shape[3:])
        counts = torch.full((low.shape[0],), given, device=low.device)
        shown = first_frames(torch.cat((low, rest), dim=2), counts)
        return Shown(low_res=shown, given=low, given_at=tuple(range(given)))

    def window(self, made: int, have: int, ended: bool) -> Window | None:
        """The whole clip at once, when all given frames have come."""
        keep = range(min(self.frames, self.total or self.frames))
        return None if made or not ended else Window(range(have), range(self.frames), keep)


def first_frames(video: Video, counts: Int[Tensor, " batch"]) -> Float[Tensor, "batch shown frames height width"]:
    """The first `counts` frames of each clip, zeros after them, and a channel that is 1 where they are."""
    at = torch.arange(video.shape[2], device=video.device)
    mask = (at < counts[:, None]).to(video.dtype)[:, None, :, None, None]  # b 1 f 1 1
    return torch.cat((video * mask, mask.expand(-1, 1, -1, *video.shape[3:])), dim=1)


@dataclass(frozen=True)
class TemporalSR(Task):
    """Makes `factor` frames of each interval between two frames, `intervals` of them at a time.

    Given frames stay as they are: frame j of the input is frame j * factor of the output. A window
    shares its first given frame with the window before, so windows are independent of each other.
    Frames asked for beyond the last given one continue from it.
    """

    factor: int
    intervals: int = 5
    total: int | None = None  # how many frames are asked for; None: (n - 1) * factor + 1 of n

    def shrink(self, video: Video) -> tuple[Answer, Below | None]:
        """Of `1 + intervals * factor` frames, those after the first; and every `factor`-th of all."""
        return video[:, :, 1:], video[:, :, :: self.factor]

    def show(self, low: Video | None, seen: Video | None = None) -> Shown:
        """For each frame the given ones around it, moved to its moment, and how far it is on the way; their
        blend as the prior. Motion is found in the uncorrupted frames.
        """
        if low is None:
            raise ValueError("temporal super-resolution needs given frames, got none; show it a video")
        seen = low if seen is None else seen
        before, after, forward, backward = (
            frames.repeat_interleave(self.factor, dim=2) for frames in (seen[:, :, :-1], seen[:, :, 1:], *flows(low))
        )
        way = (torch.arange(before.shape[2], device=low.device) % self.factor + 1) / self.factor
        fraction = way[:, None, None].expand(before.shape[0], 1, *before.shape[2:]).to(low.dtype)
        before, after = meet(before, after, forward, backward, fraction)
        return Shown(
            low_res=torch.cat((before, after, fraction), dim=1),
            prior=torch.lerp(before, after, fraction),
            given=low[:, :, 1:],
            given_at=tuple(range(self.factor - 1, before.shape[2], self.factor)),
        )

    def window(self, made: int, have: int, ended: bool) -> Window | None:
        """The next `intervals` intervals; the first window also hands on the very first given frame."""
        total = self.total or ((have - 1) * self.factor + 1 if ended else made + 1)
        span = self.intervals * self.factor
        index = max(0, made - 1) // span
        first = index * self.intervals
        if made >= total or have == 0 or (not ended and have < first + self.intervals + 1):
            return None
        frames = range(index * span + 1, (index + 1) * span + 1)
        stop = frames.stop if self.total is None and not ended else min(frames.stop, total)
        return Window(range(first, first + self.intervals + 1), frames, range(made, stop))


@dataclass(frozen=True)
class SpatialSR(Task):
    """Makes each frame `factor` times as high and wide, `frames` at a time with `halo` on both sides."""

    factor: int
    frames: int = 32
    halo: int = 0
    total: int | None = None  # how many frames are asked for; None: as many as come

    def shrink(self, video: Video) -> tuple[Answer, Below | None]:
        """The clip, and the mean of each `factor` x `factor` block of it."""
        return video, resize(video, video.shape[-2] // self.factor, video.shape[-1] // self.factor, "area")

    def show(self, low: Video | None, seen: Video | None = None) -> Shown:
        """The bicubic enlargement."""
        if low is None:
            raise ValueError("spatial super-resolution needs a small video, got none; show it one")
        seen = low if seen is None else seen
        large = resize(seen, low.shape[-2] * self.factor, low.shape[-1] * self.factor)
        return Shown(low_res=large, prior=large)

    def size(self, low: Video) -> tuple[int, int]:
        """`factor` times what came."""
        return low.shape[-2] * self.factor, low.shape[-1] * self.factor

    def window(self, made: int, have: int, ended: bool) -> Window | None:
        """The next `frames` frames, computed with a margin so that the cut does not show."""
        stop = min(made + self.frames, self.total or made + self.frames, have if ended else made + self.frames)
        if stop <= made or (not ended and have < stop + self.halo):
            return None
        frames = range(max(0, made - self.halo), min(have, stop + self.halo))
        return Window(frames, frames, range(made, stop))


def corrupt(low: Video, noise: Video, level: Time) -> Video:
    """Noise-conditioning augmentation (Ho et al. 2021): the input with a known share of noise mixed in."""
    share = level[:, None, None, None, None]
    return (1 - share) * low + share * noise


def frame_seconds(frames: int, fps: Float[Tensor, " batch"]) -> Float[Tensor, "batch frames"]:
    """When each frame is shown, counted from the clip's or window's first."""
    return torch.arange(frames, device=fps.device)[None] / fps[:, None]

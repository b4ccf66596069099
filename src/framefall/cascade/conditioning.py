"""What a stage knows of its answer beforehand, and how training imitates a stage below that errs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from framefall.cascade.known import Known, Mask
from framefall.data.structure import STRUCTURES
from framefall.diffusion.process import Process, over_video
from framefall.layers.coasting import coasted
from framefall.video import Time, Video, to_frames

# a map of where things are in -1..1, and how exactly it is told: 1 as it is, less the more it is blurred, 0 not at all
Structure = Float[Tensor, "batch told frames height width"]
StructureMap = Float[Tensor, "batch 1 frames height width"]
Details = Float[Tensor, "clips_or_1 1 frames_or_1 height_or_1 width_or_1"]  # how exactly, 0..1
Shown = Float[Tensor, "batch shown frames height width"]  # channels beside the noisy video
BLURS = 7  # levels of blur beside none


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What a stage knows of its answer beforehand."""

    # channels beside the noisy video, on its grid
    low_res: Float[Tensor, "batch shown frames height width"] | None = None
    prior: Video | None = None  # the plain guess that a bridge starts from
    structure: Structure | None = None  # where things are
    known: Known | None = None  # what must come out as it is
    # diffusion time at which the network is shown each known frame; NaN: a frame that has the time of the step
    levels: Float[Tensor, "batch frames"] | None = None

    @property
    def told(self) -> bool:
        """Whether the network is told what is known, or of frames around it."""
        return self.low_res is not None or self.levels is not None

    def applied(self, x_t: Video, t: Time, process: Process, forgotten: bool = False) -> tuple[Video, Time]:
        """A noisy video and its times as the network is to see them: known frames at times of their own.

        A known frame's noise is what x_t has beside it, so that at time 0 it is clean, and at time 1, where all are
        `forgotten`, nothing of it is left.
        """
        if self.levels is None or self.known is None:
            return x_t, t
        told = self.levels.isfinite()
        levels = torch.where(told, 1.0, self.levels) if forgotten else self.levels
        shown = self.known.video
        if bool((levels > 0).any()):
            alpha, sigma = (over_video(scale, x_t) for scale in process.scales(t))
            at = torch.where(told, levels, 0.0).to(t)
            shown = process.add_noise(shown, (x_t - alpha * shown) / sigma, at)
        t = torch.where(told, levels.to(t), t[:, None] if t.ndim == 1 else t)
        return torch.where(told[:, None, :, None, None], shown, x_t), t


def first_frames(video: Video, counts: Int[Tensor, " batch"]) -> Mask:
    """1 in the first `counts` frames of each clip, 0 after them."""
    at = torch.arange(video.shape[2], device=video.device)
    mask = (at < counts[:, None]).to(video.dtype)[:, None, :, None, None]  # b 1 f 1 1
    return mask.expand(-1, 1, -1, *video.shape[3:])


def shown(video: Video, mask: Mask) -> Float[Tensor, "batch shown frames height width"]:
    """What is known of a video: its pixels where the mask is 1, zeros elsewhere, and the mask as a channel."""
    return torch.cat((video * mask, mask.expand(len(video), 1, *video.shape[2:])), dim=1)


def coasting(low_res: Shown, video: Video, there: Bool[Tensor, "batch frames"]) -> Shown:
    """What is shown of a video with what moves in the frames that are `there` drawn into the others, as it would go on.

    Each other frame has what leaves the nearest run of two frames or more, and a mask of half the share that it covers:
    a hint is never as sure as what is given.
    """
    made = low_res.clone()
    for clip, known in enumerate(there.tolist()):
        for run, ahead in _nearest(known):
            layer = coasted(video[clip : clip + 1, :, run].float(), [abs(frame - run[-1]) for frame in ahead])[0]
            made[clip, :, ahead] = torch.cat((layer[:-1], layer[-1:] / 2)).to(made.dtype)
    return made


def _nearest(known: Sequence[bool]) -> list[tuple[list[int], list[int]]]:
    """Runs of two known frames or more, the one that motion leaves last, and the unknown frames that it goes to."""
    runs = list[list[int]]()
    for frame, here in enumerate(known):
        if here and frame and known[frame - 1]:
            runs[-1].append(frame)
        elif here:
            runs.append([frame])
    sides = [side for run in runs if len(run) > 1 for side in (run, run[::-1])]
    found: list[tuple[list[int], list[int]]] = [(side, []) for side in sides]
    for frame in (frame for frame, here in enumerate(known) if not here):
        # towards this frame: one that goes the other way leaves it behind
        able = [one for one in found if (frame - one[0][-1]) * (one[0][-1] - one[0][0]) > 0]
        if able:
            min(able, key=lambda one: abs(frame - one[0][-1]))[1].append(frame)
    return [one for one in found if one[1]]


def structure_map(video: Video, kind: str) -> StructureMap:
    """Where things are in each clip, in -1..1; `kind` is a name in STRUCTURES."""
    maps = [torch.from_numpy(STRUCTURES[kind](to_frames(clip[None]))) for clip in video]
    return torch.stack(maps)[:, None].to(video.device) * 2.0 - 1.0


def blurred(structure: StructureMap, level: int) -> StructureMap:
    """A structure blurred at a level of 0 (not at all) to `BLURS`: by a pixel of 64 rows, then by half as much again.

    What is told at a high level says roughly where things are, and leaves outlines to be made (Esser et al. 2023).
    """
    if not level:
        return structure
    frames, (height, width) = structure.flatten(0, 2)[:, None], structure.shape[-2:]
    sigma = height / 64 * 1.5 ** (level - 1)
    reach = min(max(1, round(3 * sigma)), height - 1, width - 1)
    places = torch.arange(-reach, reach + 1, device=structure.device, dtype=structure.dtype)
    weights = torch.softmax(-0.5 * (places / sigma) ** 2, dim=0)
    for kernel, padding in ((weights[:, None], (0, 0, reach, reach)), (weights[None], (reach, reach, 0, 0))):
        frames = F.conv2d(F.pad(frames, padding, mode="reflect"), kernel[None, None])
    return frames.reshape(structure.shape)


def detail(level: int) -> float:
    """How exactly a structure blurred at a level is told."""
    return 1.0 - level / (BLURS + 1)


def told_structure(structure: StructureMap, details: Details) -> Structure:
    """A structure as a network is told it: nothing where `details` are 0."""
    details = details.expand(len(structure), 1, *structure.shape[2:])
    return torch.cat((torch.where(details > 0, structure, 0.0), details), dim=1)


def corrupt(low: Video, noise: Video, level: Time) -> Video:
    """Noise-conditioning augmentation (Ho et al. 2021): the input with a known share of noise mixed in."""
    share = level[:, None, None, None, None]
    return (1 - share) * low + share * noise


def frame_seconds(frames: int, fps: Float[Tensor, " batch"]) -> Float[Tensor, "batch frames"]:
    """When each frame is shown, counted from the clip's or segment's first."""
    return torch.arange(frames, device=fps.device)[None] / fps[:, None]

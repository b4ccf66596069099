"""What a stage knows of its answer beforehand, and how training imitates a stage below that errs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from framefall.video import Time, Video


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What a stage knows of its answer beforehand."""

    # channels beside the noisy video, on its grid
    low_res: Float[Tensor, "batch shown frames height width"] | None = None
    prior: Video | None = None  # the plain guess that a bridge starts from
    given: Float[Tensor, "batch channels known height width"] | None = None  # frames that are known exactly ...
    given_at: tuple[int, ...] = ()  # ... and where they stand among the stage's frames


def first_frames(video: Video, counts: Int[Tensor, " batch"]) -> Float[Tensor, "batch shown frames height width"]:
    """The first `counts` frames of each clip, zeros after them, and a channel that is 1 where they are."""
    at = torch.arange(video.shape[2], device=video.device)
    mask = (at < counts[:, None]).to(video.dtype)[:, None, :, None, None]  # b 1 f 1 1
    return torch.cat((video * mask, mask.expand(-1, 1, -1, *video.shape[3:])), dim=1)


def corrupt(low: Video, noise: Video, level: Time) -> Video:
    """Noise-conditioning augmentation (Ho et al. 2021): the input with a known share of noise mixed in."""
    share = level[:, None, None, None, None]
    return (1 - share) * low + share * noise


def frame_seconds(frames: int, fps: Float[Tensor, " batch"]) -> Float[Tensor, "batch frames"]:
    """When each frame is shown, counted from the clip's or segment's first."""
    return torch.arange(frames, device=fps.device)[None] / fps[:, None]

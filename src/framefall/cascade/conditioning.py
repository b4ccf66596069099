"""What a stage knows of its answer beforehand, and how training imitates a stage below that errs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from framefall.video import Time, Video

Mask = Float[Tensor, "batch 1 frames height width"]  # 1 where a video is known, 0 where it is to be made


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What a stage knows of its answer beforehand."""

    # channels beside the noisy video, on its grid
    low_res: Float[Tensor, "batch shown frames height width"] | None = None
    prior: Video | None = None  # the plain guess that a bridge starts from
    given: Float[Tensor, "batch channels known height width"] | None = None  # frames that are known exactly ...
    given_at: tuple[int, ...] = ()  # ... and where they stand among the stage's frames


def first_frames(video: Video, counts: Int[Tensor, " batch"]) -> Mask:
    """1 in the first `counts` frames of each clip, 0 after them."""
    at = torch.arange(video.shape[2], device=video.device)
    mask = (at < counts[:, None]).to(video.dtype)[:, None, :, None, None]  # b 1 f 1 1
    return mask.expand(-1, 1, -1, *video.shape[3:])


def shown(video: Video, mask: Mask) -> Float[Tensor, "batch shown frames height width"]:
    """What is known of a video: its pixels where the mask is 1, zeros elsewhere, and the mask as a channel."""
    return torch.cat((video * mask, mask), dim=1)


def corrupt(low: Video, noise: Video, level: Time) -> Video:
    """Noise-conditioning augmentation (Ho et al. 2021): the input with a known share of noise mixed in."""
    share = level[:, None, None, None, None]
    return (1 - share) * low + share * noise


def frame_seconds(frames: int, fps: Float[Tensor, " batch"]) -> Float[Tensor, "batch frames"]:
    """When each frame is shown, counted from the clip's or segment's first."""
    return torch.arange(frames, device=fps.device)[None] / fps[:, None]

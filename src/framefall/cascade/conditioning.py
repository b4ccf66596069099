"""What a stage knows of its answer beforehand, and how training imitates a stage below that errs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from framefall.cascade.known import Known, Mask
from framefall.diffusion.process import Process, over_video
from framefall.video import Time, Video


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What a stage knows of its answer beforehand."""

    # channels beside the noisy video, on its grid
    low_res: Float[Tensor, "batch shown frames height width"] | None = None
    prior: Video | None = None  # the plain guess that a bridge starts from
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


def corrupt(low: Video, noise: Video, level: Time) -> Video:
    """Noise-conditioning augmentation (Ho et al. 2021): the input with a known share of noise mixed in."""
    share = level[:, None, None, None, None]
    return (1 - share) * low + share * noise


def frame_seconds(frames: int, fps: Float[Tensor, " batch"]) -> Float[Tensor, "batch frames"]:
    """When each frame is shown, counted from the clip's or segment's first."""
    return torch.arange(frames, device=fps.device)[None] / fps[:, None]

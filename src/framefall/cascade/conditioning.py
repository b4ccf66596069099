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
    clean: Float[Tensor, "batch frames"] | None = None  # 1 where the network is shown a known frame at time 0

    def applied(self, x_t: Video, t: Time) -> tuple[Video, Time]:
        """A noisy video and its time as the network is to see them: frames that it is told of are clean."""
        if self.clean is None or self.known is None:
            return x_t, t
        t = (t[:, None] if t.ndim == 1 else t) * (1.0 - self.clean)
        return torch.where(self.clean[:, None, :, None, None] > 0, self.known.video, x_t), t

    def forgotten(self, x_t: Video, t: Time, process: Process) -> tuple[Video, Time]:
        """The same as a network is to see them that is told of nothing: known frames are pure noise, at time 1.

        The noise is what x_t is beside the known video, so that nothing of that is left.
        """
        if self.clean is None or self.known is None:
            return x_t, t
        alpha, sigma = (over_video(scale, x_t) for scale in process.scales(t))
        noise = process.start((x_t - alpha * self.known.video) / sigma)
        t = torch.where(self.clean > 0, 1.0, t[:, None] if t.ndim == 1 else t)
        return torch.where(self.clean[:, None, :, None, None] > 0, noise, x_t), t


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

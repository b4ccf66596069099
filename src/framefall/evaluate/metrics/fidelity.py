"""How close a video is to its reference, pixel for pixel: PSNR and SSIM."""

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from framefall.metric import AnyVideo
from framefall.video import Scores, Video

PSNR_CAP = 100.0  # decibels; identical videos would otherwise be infinitely alike
SSIM_WINDOW = 7  # pixels; smaller where the frame is


def psnr(video: Video, reference: AnyVideo) -> Scores:
    """Peak signal-to-noise ratio in dB, of each clip's mean squared error on the 0..1 range; at most 100.

    The error is averaged over the whole clip first, so that one frame without error does not outweigh the rest.
    """
    _same_shape(video, reference)
    error = ((_unit(video) - _unit(reference)) ** 2).mean(dim=(1, 2, 3, 4))
    return (-10.0 * torch.log10(error)).clamp(max=PSNR_CAP).float()


def ssim(video: Video, reference: AnyVideo) -> Scores:
    """Structural similarity (Wang et al. 2004) of each frame, averaged over frames; 1 is identical.

    The window is 7 pixels wide, or the widest odd window of a smaller frame.
    """
    _same_shape(video, reference)
    side = min(video.shape[-2:])
    window = min(SSIM_WINDOW, side - 1 + side % 2)
    if window < 3:
        return torch.full((video.shape[0],), torch.nan)  # one or two pixels have no structure
    scores = [_clip_ssim(one, other, window) for one, other in zip(_frames(video), _frames(reference), strict=True)]
    return torch.tensor(scores)


def _clip_ssim(video: np.ndarray, reference: np.ndarray, window: int) -> float:
    frames = zip(video, reference, strict=True)
    pairs = [structural_similarity(a, b, win_size=window, channel_axis=0, data_range=1.0) for a, b in frames]
    return float(np.mean(pairs))


def _frames(video: Tensor) -> np.ndarray:
    """`[batch, frames, channels, height, width]`, 0..1."""
    frames: np.ndarray = _unit(video).transpose(1, 2).cpu().numpy()
    return frames


def _unit(video: Tensor) -> Tensor:
    """-1..1 to 0..1; float64, because a small error is the difference of large squares."""
    return video.double().add(1.0).mul(0.5)


def _same_shape(video: Tensor, reference: Tensor) -> None:
    if video.shape != reference.shape:
        raise ValueError(
            f"a video and its reference must have one shape [batch, channels, frames, height, width], "
            f"got {list(video.shape)} and {list(reference.shape)}; crop or resize one of them"
        )

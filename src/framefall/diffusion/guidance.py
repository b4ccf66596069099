"""Guidance: denoisers in, a stronger denoiser out. All of it acts on x0."""

import math

import torch
from torch import Tensor

from framefall.diffusion.process import over_video
from framefall.diffusion.samplers import Denoise
from framefall.video import Scores, Time, Video


def guided(
    conditional: Denoise,
    unconditional: Denoise,
    *,
    scale: float,
    interval: tuple[float, float] = (0.1, 0.9),
    rescale: float = 0.0,
) -> Denoise:
    """Classifier-free guidance (Ho and Salimans 2022): u + scale * (c - u).

    `unconditional` may be any weaker denoiser (autoguidance, Karras et al. 2024). It is asked only where a
    clip's t is in `interval` (Kynkaanniemi et al. 2024), elsewhere the conditional one speaks alone.
    `rescale` (phi of Lin et al. 2023, 0..1) gives back that share of the spread which guidance inflates.
    A scale of 1 is the conditional denoiser itself.
    """
    low, high = interval
    if not (0 <= low <= high <= 1 and 0 <= rescale <= 1):
        raise ValueError(
            "interval must rise within 0..1 and rescale be in 0..1,"
            f" got interval={interval}, rescale={rescale}; try interval=(0.1, 0.9), rescale=0"
        )
    if scale == 1:
        return conditional

    def denoise(x_t: Video, t: Time) -> Video:
        x0 = conditional(x_t, t)
        inside = (t >= low) & (t <= high)
        if not inside.any():
            return x0
        weak = unconditional(x_t, t)
        strong = weak + scale * (x0 - weak)
        if rescale > 0:
            gain = _spread(x0) / _spread(strong).clamp_min(1e-8)
            strong = over_video(1.0 + rescale * (gain - 1.0), strong) * strong
        return torch.where(inside.reshape(-1, 1, 1, 1, 1), strong, x0)

    return denoise


def dynamic_threshold(x0: Video, percentile: float = 99.5) -> Video:
    """Each clip divided by the given percentile of its |x0| and clipped to -1..1, where that is above 1.

    Dynamic thresholding (Saharia et al. 2022, Imagen): guidance cannot push a clip out of range.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be above 0 and at most 100, got {percentile}; try 99.5")
    size = x0.abs().flatten(1)
    place = max(1, math.ceil(percentile / 100 * size.shape[1]))  # kthvalue: quantile refuses 2^24 elements
    bound = over_video(size.kthvalue(place, dim=1).values.clamp_min(1.0), x0)
    return x0.clamp(-bound, bound) / bound


def _spread(video: Video) -> Scores:
    spread: Tensor = video.flatten(1).std(dim=1)
    return spread

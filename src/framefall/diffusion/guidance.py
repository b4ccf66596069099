"""Guidance: denoisers in, a stronger denoiser out. All of it acts on x0.

A direction leads from a weaker denoiser to a stronger one. Guidance goes on along it: away from what no caption says
(classifier-free), from a worse model (autoguidance), from what is said without the history, or from frames that do not
know each other. What a guidance is called is what its weaker side lacks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from framefall import checks
from framefall.diffusion.process import over_video
from framefall.diffusion.samplers import Denoise, TimeGrid
from framefall.video import Scores, Time, Video

Scale = Callable[[Time], Time]  # of each diffusion time, a clip's or a frame's; 1: as the stronger side says
Interval = tuple[float, float]  # of diffusion times


@dataclass(frozen=True, kw_only=True)
class Direction:
    """From a weaker denoiser to a stronger one, and how far along it: 0 is the weaker, 1 the stronger, 2 beyond."""

    strong: Denoise
    weak: Denoise
    scale: Scale


def steered(denoise: Denoise, *directions: Direction, rescale: float = 0.0) -> Denoise:
    """A denoiser moved along directions: x0 + sum (scale - 1) (strong - weak).

    A denoiser that stands in several places is asked once; where no scale differs from 1, only `denoise` is, and it
    speaks alone. `rescale` (phi of Lin et al. 2023, 0..1) gives back that share of a clip's spread which all
    directions together inflate.
    """
    checks.number("rescale", rescale, least=0, most=1, example=0.7)

    def moved(x_t: Video, t: Time) -> Video:
        known: dict[Denoise, Video] = {}

        def ask(one: Denoise) -> Video:
            if one not in known:
                known[one] = one(x_t, t)
            return known[one]

        x0 = ask(denoise)
        further, anywhere = x0, torch.zeros_like(t, dtype=torch.bool)
        for direction in directions:
            scale = direction.scale(t)
            acts = scale != 1
            if not acts.any():
                continue
            strong, weak = ask(direction.strong), ask(direction.weak)
            beyond = weak + over_video(scale, weak) * (strong - weak)
            if further is not strong:  # a direction that does not end where the last one led to
                beyond = further + (beyond - strong)
            further, anywhere = torch.where(_over_video(acts), beyond, further), anywhere | acts
        if further is not x0 and rescale > 0:
            gain = _spread(x0) / _spread(further).clamp_min(1e-8)
            further = torch.where(_over_video(anywhere), over_video(1.0 + rescale * (gain - 1.0), x0) * further, x0)
        return further

    return moved if directions else denoise


def guided(
    conditional: Denoise,
    unconditional: Denoise,
    *,
    scale: float,
    interval: Interval = (0.1, 0.9),
    rescale: float = 0.0,
) -> Denoise:
    """Classifier-free guidance (Ho and Salimans 2022): u + scale * (c - u).

    `unconditional` may be any weaker denoiser (autoguidance, Karras et al. 2024). It is asked only where a
    clip's, or a frame's, t is in `interval` (Kynkaanniemi et al. 2024), elsewhere the conditional one speaks alone.
    A scale of 1 is the conditional denoiser itself.
    """
    along = Direction(strong=conditional, weak=unconditional, scale=within(interval, constant(scale)))
    moved = steered(conditional, along, rescale=rescale)
    return conditional if scale == 1 else moved


def constant(scale: float) -> Scale:
    """The same at every time."""
    checks.number("scale", scale, least=0, example=2.5)
    return lambda t: torch.full_like(t, scale)


def oscillating(high: float, low: float, first: int, times: TimeGrid) -> Scale:
    """Oscillating guidance (Ho et al. 2022, Imagen Video): `high` for the `first` steps, then low and high in turns.

    The turn is a time's place among the sampler's `times`, so that a time has one scale whoever asks and how often:
    both calls of Heun's method at a time agree. Imagen Video has a low of 1, where the weaker side is not asked.
    """
    checks.number("scale", high, least=0, example=7.5)
    checks.number("low scale", low, least=0, example=1)
    checks.whole("first steps", first, 0)

    def scale(t: Time) -> Time:
        step = (times.to(t) > t[..., None]).sum(dim=-1)  # steps before this time
        at_low = (step >= first) & ((step - first) % 2 == 0)
        return torch.where(at_low, torch.full_like(t, low), torch.full_like(t, high))

    return scale


def within(interval: Interval, scale: Scale) -> Scale:
    """The scale in an interval of times, both ends included, and 1 outside."""
    low, high = interval
    if not 0 <= low <= high <= 1:  # nor NaN
        raise ValueError(f"interval must rise within 0..1, got {interval}; try (0.1, 0.9)")
    return lambda t: torch.where((t >= low) & (t <= high), scale(t), torch.ones_like(t))


def thresholded(denoise: Denoise, percentile: float = 99.5) -> Denoise:
    """The denoiser with dynamic thresholding of all that it says; for pixels, whose range is known, not for latents."""
    _check_percentile(percentile)
    return lambda x_t, t: dynamic_threshold(denoise(x_t, t), percentile)


def dynamic_threshold(x0: Video, percentile: float = 99.5) -> Video:
    """Each clip divided by the given percentile of its |x0| and clipped to -1..1, where that is above 1.

    Dynamic thresholding (Saharia et al. 2022, Imagen): guidance cannot push a clip out of range.
    """
    _check_percentile(percentile)
    size = x0.abs().flatten(1)
    place = max(1, math.ceil(percentile / 100 * size.shape[1]))  # kthvalue: quantile refuses 2^24 elements
    bound = over_video(size.kthvalue(place, dim=1).values.clamp_min(1.0), x0)
    return x0.clamp(-bound, bound) / bound


def _check_percentile(percentile: float) -> None:
    checks.number("percentile", percentile, above=0, most=100, example=99.5)


def _over_video(values: Bool[Tensor, "batch *frames"]) -> Bool[Tensor, "batch 1 instants 1 1"]:
    return values.reshape(len(values), 1, -1, 1, 1)


def _spread(video: Video) -> Scores:
    spread: Tensor = video.flatten(1).std(dim=1)
    return spread

"""Flow maps: denoisers that say where a whole step of the sampler leads, and what they are taught.

A flow map is asked for `x0(x_t, t, until)`: the x0 with which one first-order step from t lands exactly where the
sampling path through x_t is at `until`. At until = t that is the plain denoiser. Two steps in a row are one step whose
x0 is a mean of theirs (`joined`), on every process: that is what a long step learns of two short ones (Frans et al.
2024, shortcut models; Guo et al. 2025, SplitMeanFlow), and a student's step of two of its teacher's (Salimans and Ho
2022, progressive distillation). Nothing here is differentiated forwards.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from framefall.diffusion.process import Process, over_video
from framefall.video import Scores, Time, Video

FlowMap = Callable[[Video, Time, Time], Video]  # (x_t, t, until) -> the x0 that leads there


def step(x_t: Video, x0: Video, t: Time, until: Time, process: Process) -> Video:
    """Where a first-order step from t to `until` leads; where both are the same, x_t itself."""
    (alpha, sigma), (alpha_until, sigma_until) = process.scales(t), process.scales(until)
    ratio = torch.where(sigma > 0, sigma_until / sigma.clamp_min(_LEAST), torch.ones_like(sigma))
    return over_video(ratio, x_t) * x_t + over_video(alpha_until - ratio * alpha, x_t) * x0


def joined(first: Video, second: Video, t: Time, middle: Time, until: Time, process: Process) -> Video:
    """The x0 of one step t -> until that leads where t -> middle with `first`, then middle -> until with `second` do.

    With k = alpha / sigma it is their mean by how far k rises in each half. A step to clean data believes what its
    second half does, for k has no bound there.
    """
    here, there, end = (_ratio(process, time) for time in (t, middle, until))
    rise = end - here
    share = torch.where(rise > 0, (there - here) / rise.clamp_min(_LEAST), torch.zeros_like(rise))
    share = torch.where(torch.isinf(end), torch.zeros_like(share), share)
    return torch.lerp(second, first, over_video(share, first))


def split_target(flow_map: FlowMap, x_t: Video, t: Time, middle: Time, until: Time, process: Process) -> Video:
    """What a step should believe by the map's own two halves; callers switch gradients off."""
    first = flow_map(x_t, t, middle)
    return joined(first, flow_map(step(x_t, first, t, middle, process), middle, until), t, middle, until, process)


def adaptive(losses: Scores, power: float, quiet: float = 1e-3) -> Scores:
    """Losses over a power of their own size, which has no gradient: hard examples do not drown the others.

    The adaptive weight of MeanFlow (Geng et al. 2025).
    """
    scaled: Tensor = losses / (losses.detach() + quiet) ** power
    return scaled


def _ratio(process: Process, t: Time) -> Time:
    alpha, sigma = process.scales(t.double())
    return torch.where(sigma > 0, alpha / sigma.clamp_min(_LEAST), torch.full_like(alpha, torch.inf))


_LEAST = 1e-12  # below every sigma and every rise that is not 0

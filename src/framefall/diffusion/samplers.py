"""Samplers: walks from noise to video, each a generator of steps with one signature.

A sampler asks for a callable `(x_t, t) -> x0` and knows no network. Progress is `tqdm(steps)`, a
preview is `step.x0`, cancelling is closing the generator. All clips of a batch share their times,
so that every coefficient is a plain number. The denoiser switches gradients off, not the sampler.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.diffusion.process import Process
from framefall.video import Time, Video

Denoise = Callable[[Video, Time], Video]  # (x_t, t) -> the x0 it believes in
Fresh = Callable[[int], Video]  # number of a draw -> a new noise endpoint, distributed like the first one
TimeGrid = Float[Tensor, " times"]  # descending; a walk to clean video ends at 0


@dataclass(frozen=True)
class Step:
    """A finished step: step `index` of `total` brought `x` to time `t`, believing in `x0`."""

    index: int
    total: int
    t: float
    x: Video
    x0: Video


Sampler = Callable[[Denoise, Process, Video, TimeGrid, Fresh | None], Iterator[Step]]


def euler(denoise: Denoise, process: Process, x: Video, times: TimeGrid, fresh: Fresh | None = None) -> Iterator[Step]:
    """First order: a jump along the path that joins x0 and the noise it implies.

    DDIM (Song et al. 2020), and Euler's method on a rectified flow. A step to t = 0 returns x0 itself.
    """
    points = _points(process, times)
    for index, (here, there) in enumerate(pairwise(points)):
        x0 = denoise(x, _clock(here, x))
        x = _jump(x, x0, here, there)
        yield Step(index, len(points) - 1, there.t, x, x0)


def heun(denoise: Denoise, process: Process, x: Video, times: TimeGrid, fresh: Fresh | None = None) -> Iterator[Step]:
    """Second order, two network calls a step: Heun's method with x0 and noise averaged over both ends.

    dx = x0 dalpha + noise dsigma is summed by the trapezoid rule in alpha and sigma. This is Heun in t
    on a rectified flow and algorithm 1 of Karras et al. (2022) on EDM. A step to t = 0 is one call of
    first order: no noise is left there to average.
    """
    points = _points(process, times)
    for index, (here, there) in enumerate(pairwise(points)):
        x0 = denoise(x, _clock(here, x))
        ahead = _jump(x, x0, here, there)
        if there.sigma > 0:
            x0_ahead = denoise(ahead, _clock(there, x))
            noise = (_noise(x, x0, here) + _noise(ahead, x0_ahead, there)) / 2
            mean = (x0 + x0_ahead) / 2
            ahead = x + (there.alpha - here.alpha) * mean + (there.sigma - here.sigma) * noise
        x = ahead
        yield Step(index, len(points) - 1, there.t, x, x0)


def dpm_solver_2m(
    denoise: Denoise, process: Process, x: Video, times: TimeGrid, fresh: Fresh | None = None
) -> Iterator[Step]:
    """Second order for one call a step: DPM-Solver++(2M) (Lu et al. 2022), which recalls the step before.

    x0 is extrapolated to the middle of the step in lambda = ln(alpha / sigma). The first step is of
    first order, and so is one to t = 0; after a start from lambda = -inf the second is as well.
    """
    points = _points(process, times)
    before, x0_before = None, x
    for index, (here, there) in enumerate(pairwise(points)):
        x0 = denoise(x, _clock(here, x))
        best = x0
        if before is not None and there.sigma > 0:
            ahead = (there.log_ratio - here.log_ratio) / (2 * (here.log_ratio - before.log_ratio))
            best = (1 + ahead) * x0 - ahead * x0_before
        x = _jump(x, best, here, there)
        before, x0_before = here, x0
        yield Step(index, len(points) - 1, there.t, x, x0)


def ancestral(
    denoise: Denoise, process: Process, x: Video, times: TimeGrid, fresh: Fresh | None = None
) -> Iterator[Step]:
    """Each step forgets part of its noise and draws it anew: DDPM (Ho et al. 2020), eta = 1 of DDIM.

    Of the noise at `here` the posterior keeps the share k = (alpha_t sigma_s) / (alpha_s sigma_t), the
    ratio of the amplitude signal-to-noise ratios. The rest comes from two fresh endpoints, weighted so
    that the three weights have sum 1 and squares of sum 1: then an endpoint `prior + s * gaussian`
    keeps its mean and its variance, and no bridge has to say what its prior is.
    """
    if fresh is None:
        raise ValueError(
            "the ancestral sampler needs fresh noise, got fresh=None; pass a function of the draw's number"
        )
    points = _points(process, times)
    for index, (here, there) in enumerate(pairwise(points)):
        x0 = denoise(x, _clock(here, x))
        if there.sigma > 0:
            kept = (here.alpha * there.sigma) / (there.alpha * here.sigma)
            x = there.alpha * x0 + there.sigma * _renewed(_noise(x, x0, here), kept, fresh, index)
        else:
            x = _jump(x, x0, here, there)
        yield Step(index, len(points) - 1, there.t, x, x0)


def predictor_corrector(
    denoise: Denoise, process: Process, x: Video, times: TimeGrid, fresh: Fresh | None = None
) -> Iterator[Step]:
    """An ancestral step, then a step of Langevin dynamics at the time that it came to: VDM (Ho et al. 2022).

    The corrector moves x along the score by delta / 2 * sigma^2 and adds noise of variance delta * sigma^2 (Song et
    al. 2021), which forgets some of what the predictor got wrong: two calls a step, as of Heun. Written for the noise
    in x, it keeps the share 1 - delta / 2 of it and draws the rest anew, from fresh endpoints as `ancestral` does.
    """
    if fresh is None:
        raise ValueError(
            "the predictor-corrector sampler needs fresh noise, got fresh=None; pass a function of the draw's number"
        )
    points = _points(process, times)
    for index, (here, there) in enumerate(pairwise(points)):
        x0 = denoise(x, _clock(here, x))
        if there.sigma > 0:
            kept = (here.alpha * there.sigma) / (there.alpha * here.sigma)
            x = there.alpha * x0 + there.sigma * _renewed(_noise(x, x0, here), kept, fresh, 2 * index)
            x0 = denoise(x, _clock(there, x))
            noise = _renewed(_noise(x, x0, there), 1 - LANGEVIN / 2, fresh, 2 * index + 1)
            x = there.alpha * x0 + there.sigma * noise
        else:
            x = _jump(x, x0, here, there)
        yield Step(index, len(points) - 1, there.t, x, x0)


LANGEVIN = 0.1  # delta of the corrector, as VDM has it

FIRST_ORDER = ("euler", "ddim")  # a step of theirs is one jump along the path from one time of the grid to the next

SAMPLERS: dict[str, Sampler] = {
    "euler": euler,
    "ddim": euler,
    "heun": heun,
    "dpm++2m": dpm_solver_2m,
    "ancestral": ancestral,
    "predictor_corrector": predictor_corrector,
}


@dataclass(frozen=True)
class _Point:
    """A time with its scales, as plain numbers."""

    t: float
    alpha: float
    sigma: float

    @property
    def log_ratio(self) -> float:
        """Lambda of DPM-Solver: half the log-SNR."""
        if self.alpha <= 0 or self.sigma <= 0:
            return -math.inf if self.alpha <= 0 else math.inf
        return math.log(self.alpha / self.sigma)


def _points(process: Process, times: TimeGrid) -> list[_Point]:
    times = times.double()
    alpha, sigma = process.scales(times)
    return [_Point(*values) for values in zip(times.tolist(), alpha.tolist(), sigma.tolist(), strict=True)]


def _clock(point: _Point, x: Video) -> Time:
    """The point's time for every clip; at least float32, in which neighbouring times differ."""
    return torch.full((len(x),), point.t, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)


def _jump(x: Video, x0: Video, here: _Point, there: _Point) -> Video:
    """Along the path through x that starts at x0; to sigma = 0 it is alpha * x0 with nothing of x."""
    ratio = there.sigma / here.sigma
    if ratio == 0:
        return there.alpha * x0
    return ratio * x + (there.alpha - ratio * here.alpha) * x0


def _renewed(noise: Video, kept: float, fresh: Fresh, draw: int) -> Video:
    """Noise of which a share is kept and the rest comes from two fresh endpoints: of the same mean and variance."""
    root = math.sqrt((1 - kept) * (1 + 3 * kept))
    noise = kept * noise
    return noise + (1 - kept + root) / 2 * fresh(2 * draw) + (1 - kept - root) / 2 * fresh(2 * draw + 1)


def _noise(x: Video, x0: Video, point: _Point) -> Video:
    return (x - point.alpha * x0) / point.sigma

"""Diffusion times: densities to train on, grids to sample on.

More pixels average more noise away, so that bigger and longer clips need larger times. Training
moves the density's mean (`mean_for`); sampling bends the grid (`shift`). Both are the same move:
on a rectified flow a shift of a multiplies sigma / alpha by a and adds ln(a) to logit(t).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.noise import Key


@dataclass(frozen=True, kw_only=True)
class LogitNormal:
    """Mostly logit(t) ~ N(mean, std^2) (Esser et al. 2024), with a share of other times mixed in."""

    mean: float = 0.8
    std: float = 0.8
    uniform_share: float = 0.1  # of draws that are uniform in 0..1, so that no time is left untrained
    pure_share: float = 0.0  # of draws that are exactly 1, which train a model's single step

    def __post_init__(self) -> None:
        if self.std <= 0:
            raise ValueError(f"std must be above 0, got {self.std}; try 0.8")
        if min(self.uniform_share, self.pure_share) < 0 or self.uniform_share + self.pure_share > 1:
            raise ValueError(
                "uniform_share and pure_share must be at least 0 and together at most 1,"
                f" got {self.uniform_share} and {self.pure_share}; try 0.1 and 0"
            )

    def draw(self, key: Key, *counters: int) -> float:
        """The time in 0..1 of this clip at the given counters (an epoch, a step, ...)."""
        part = key.named("part").uniform(*counters)
        if part < self.pure_share:
            return 1.0
        if part < self.pure_share + self.uniform_share:
            return key.named("uniform").uniform(*counters)
        return 1.0 / (1.0 + math.exp(-self.mean - self.std * key.named("logit").gauss(*counters)))


def mean_for(frames: int, height: int, width: int) -> float:
    """The `LogitNormal.mean` for a clip of this size: 0.8 at 256^2 pixels, up by ln(2) for four times as many."""
    return 0.8 + 0.5 * math.log(frames * height * width / 256**2)


def grid(steps: int, shift: float = 1.0, last: float = 0.0) -> Float[Tensor, " {steps}+1"]:
    """Times of `steps` sampling steps, from 1 down to 0, in float64.

    `shift` above 1 spends more of them on noise: t' = a t / (1 + (a - 1) t). `last` above 0 is the
    time of the last step: no network call is spent below it.
    """
    if steps < 1 or shift <= 0 or not 0 <= last < 1:
        raise ValueError(
            "steps must be at least 1, shift above 0 and last in 0 .. 1,"
            f" got steps={steps}, shift={shift}, last={last}; try steps=20, shift=1, last=0"
        )
    if last > 0 and steps > 1:
        end = last / (shift - (shift - 1.0) * last)  # what the shift will send to `last`
        even = torch.cat([torch.linspace(1.0, end, steps, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    else:
        even = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    return shift * even / (1.0 + (shift - 1.0) * even)

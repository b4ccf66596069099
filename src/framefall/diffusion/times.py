"""Diffusion times: densities to train on, grids to sample on.

More pixels average more noise away, so that bigger and longer clips need larger times (Hoogeboom et al. 2023; Esser et
al. 2024). Training moves the density's mean, sampling bends the grid (`shift`). Both are the same move: on a rectified
flow a shift of a multiplies sigma / alpha by a and adds ln(a) to logit(t).
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.noise import Key
from framefall.ranges import Share, within
from framefall.video import Time


@dataclass(frozen=True, kw_only=True)
class LogitNormal:
    """Mostly logit(t) ~ N(mean, std^2) (Esser et al. 2024), with a share of other times mixed in."""

    mean: Annotated[float, within(-20, 20)] = 0.8
    std: Annotated[float, within(0, 20)] = 0.8
    uniform_share: Share = 0.1  # of draws that are uniform in 0..1, so that no time is left untrained
    pure_share: Share = 0.0  # of draws that are exactly 1, which train a model's single step

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


def grid(steps: int, shift: float = 1.0, start: float = 1.0) -> Float[Tensor, " times"]:
    """Times of `steps` sampling steps, from 1 down to 0, in float64.

    `shift` above 1 spends more of them on noise: t' = a t / (1 + (a - 1) t). A walk that begins later, at `start`, has
    that share of the steps, and at least one.
    """
    if not 0 < start <= 1:
        raise ValueError(f"start must be above 0 and at most 1, got {start}; try 0.6")
    if steps < 1 or shift <= 0:
        raise ValueError(
            f"steps must be at least 1 and shift above 0, got steps={steps}, shift={shift}; try steps=20, shift=1"
        )
    even = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64)
    if start < 1:
        first = start / (shift - (shift - 1.0) * start)  # of the even grid: shifted it is `start`
        even = torch.linspace(first, 0.0, max(1, round(steps * start)) + 1, dtype=torch.float64)
    return shifted(even, shift)


def shifted(even: Float[Tensor, "*times"], shift: float) -> Float[Tensor, "*times"]:
    """Where an even grid's times lie on a bent one: t' = a t / (1 + (a - 1) t)."""
    return shift * even / (1.0 + (shift - 1.0) * even)


def following(t: Time, times: Float[Tensor, " times"]) -> Time:
    """The next time of a descending grid after each t: where a walk's step from there goes; 0 from its end on."""
    later = times.to(t.device, t.dtype)
    later = torch.where(later < t[..., None] - _SAME, later, torch.zeros_like(later))
    return later.amax(-1)


_SAME = 1e-6  # times nearer than this are one that was rounded

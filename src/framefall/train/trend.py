"""Where a held-out loss is going: a power law through its newest measurements, and what more training would buy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

LEAST = 6  # measurements: a power law with a floor has three unknowns
WINDOW = 8.0  # times the steps: what is older says little of what comes
SPAN = 2.0  # times the steps that the measurements must span, to say anything about twice the steps
SAME = 0.03  # a part of the loss: less is no difference to anybody who waits for it
VAGUE = 0.3  # wider than this a range of gains says nothing
SURE = 3.0  # standard errors between clip-by-clip differences and none, before a loss is said to rise
_EXPONENTS = np.geomspace(0.02, 3.0, 60)
_DRAWS = 400  # of clips and of scatter


@dataclass(frozen=True)
class Measurement:
    """The losses of the same clips at a step, one a clip, in the same order each time."""

    step: int
    losses: tuple[float, ...]
    cooling: bool = False  # the learning rate was falling: such a loss sinks faster than more time would make it


@dataclass(frozen=True)
class Trend:
    """What the measurements say. `gain` is the part of the loss that twice the steps would take away."""

    kind: Literal["sinking", "flat", "rising"]
    since: int  # the step of the first measurement that it is read off, or of the lowest one when it rises
    gain: float = 0.0
    low: float = 0.0  # 95 % of the gains that clips and scatter leave possible
    high: float = 0.0

    def said(self, held_out: bool = True) -> str:
        """In words; `held_out` is whether the clips are kept from training."""
        if self.kind == "sinking":
            return (
                f"still sinking; twice the time would buy about {100 * self.gain:.0f}%"
                f" ({100 * self.low:.0f} to {100 * self.high:.0f}%)"
            )
        if self.kind == "flat":
            return f"flat since step {self.since:,}"
        why = "it learns its clips by heart" if held_out else "and on clips that it trains on: lower the learning rates"
        return f"rising since step {self.since:,}{':' if held_out else ','} {why}"


def trend(measurements: Sequence[Measurement], relative: bool = False) -> Trend | None:
    """The trend of the clips' mean loss; None where the measurements do not say.

    `relative` losses are logarithms of a ratio: their mean is turned into the ratio first, which a power law can fit.
    Measurements under a falling learning rate do not tell what more time would bring, and are left out of the fit.
    """
    found = sorted(measurements, key=lambda one: one.step)
    if len(found) < 5 or not (_mean(np.array([one.losses for one in found]).T, relative) > 0).all():
        return None  # also where one is not a number
    if (lowest := _risen(found, relative)) is not None:
        return Trend("rising", lowest)
    recent = [one for one in found if not one.cooling and one.step * WINDOW >= found[-1].step]
    if len(recent) < LEAST or recent[-1].step < SPAN * recent[0].step:
        return None
    gain, low, high = doubling(
        np.array([one.step for one in recent], float), np.array([one.losses for one in recent]).T, relative
    )
    if low > -SAME and high < SAME:
        return Trend("flat", _settled(recent, relative), gain, low, high)
    if low > 0 and high - low <= VAGUE:
        return Trend("sinking", recent[0].step, gain, low, high)
    return None


def doubling(
    steps: Float[np.ndarray, " points"], losses: Float[np.ndarray, "clips points"], relative: bool = False
) -> tuple[float, float, float]:
    """The part of the mean loss that twice the steps would take away, with 95 % of what is possible.

    The loss is taken as floor + scale * steps^-exponent with a floor of at least 0: a pure power law promises too much
    where the end is near. The range is over other clips of the same kind and other scatter about the curve.
    """
    best, scatter = _fit(steps, _mean(losses, relative)[None])
    generator = np.random.default_rng(0)
    chosen = generator.integers(len(losses), size=(_DRAWS, len(losses)))
    drawn = np.stack([_mean(losses[one], relative) for one in chosen])
    noise = scatter[0] * generator.standard_normal(drawn.shape)
    gains = _fit(steps, drawn * (1 + noise))[0]
    low, high = np.percentile(gains, (2.5, 97.5))
    return float(best[0]), float(low), float(high)


def _fit(
    steps: Float[np.ndarray, " points"], values: Float[np.ndarray, "curves points"]
) -> tuple[Float[np.ndarray, " curves"], Float[np.ndarray, " curves"]]:
    """Of each curve the gain from its last point to twice the steps, and its relative scatter about the fit.

    For an exponent the rest is linear: least squares of relative errors, exponent by exponent, the best of them all.
    """
    weights = 1 / values**2
    least = np.full(len(values), np.inf)
    gains, scatter = np.zeros(len(values)), np.zeros(len(values))
    for exponent in _EXPONENTS:
        shape = (steps / steps[-1]) ** -exponent  # 1 at the last point
        w, wx, wxx = (np.sum(weights * shape**power, axis=1) for power in (0, 1, 2))
        wy, wxy = np.sum(weights * values, axis=1), np.sum(weights * values * shape, axis=1)
        scale = (w * wxy - wx * wy) / (w * wxx - wx**2)
        floor = (wy - scale * wx) / w
        below = floor < 0
        floor, scale = np.where(below, 0.0, floor), np.where(below, wxy / wxx, scale)
        fitted = floor[:, None] + scale[:, None] * shape
        error = np.sum(weights * (values - fitted) ** 2, axis=1)
        better = error < least
        least = np.where(better, error, least)
        gains = np.where(better, scale * (1 - 2.0**-exponent) / (floor + scale), gains)
        scatter = np.where(better, np.sqrt(error / max(1, len(steps) - 3)), scatter)
    return gains, scatter


def _mean(losses: Float[np.ndarray, "clips points"], relative: bool) -> Float[np.ndarray, " points"]:
    mean = losses.mean(axis=0)
    return np.exp(mean) if relative else mean


def _risen(found: Sequence[Measurement], relative: bool) -> int | None:
    """The step of the lowest loss, if the newest two lie above it on nearly every clip and by more than scatter."""
    means = _mean(np.array([one.losses for one in found]).T, relative)
    lowest = int(means.argmin())
    if lowest > len(found) - 3:
        return None
    scatter = 1.5 * float(np.median(np.abs(np.diff(np.log(means), 2)))) / 6**0.5  # a smooth curve has hardly any
    for index in (-2, -1):
        apart = np.subtract(found[index].losses, found[lowest].losses)
        rise = np.log(means[index] / means[lowest])
        if len(apart) < 2 or rise < SAME or rise < SURE * scatter:
            return None
        if apart.mean() < SURE * apart.std(ddof=1) / len(apart) ** 0.5:
            return None
    return found[lowest].step


def _settled(found: Sequence[Measurement], relative: bool) -> int:
    """The first step from which on the loss stays what it is now."""
    means = _mean(np.array([one.losses for one in found]).T, relative)
    away = np.nonzero(np.abs(means / means[-1] - 1) > SAME)[0]
    return found[int(away[-1]) + 1 if len(away) else 0].step

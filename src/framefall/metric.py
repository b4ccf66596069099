"""A metric: a function of videos with a direction and a unit; and how sure its mean is.

A score that cannot be measured on a clip is NaN, and stays visible as such: absence is never dropped.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from framefall.noise import Key

DRAWS = 2000  # resamples of a bootstrap: the ends of the interval then repeat to about 2 % of its width
_BLOCK = 1 << 17  # values drawn at once

AnyVideo = Float[Tensor, "_ _ _ _ _"]  # a video whose sizes need not be those of its neighbours
Better = Literal["lower", "higher", "one"]  # one: the nearer to 1 the better


@dataclass(frozen=True)
class Metric:
    """A pure function of one clip (an `ObservedClip`), with what a reader must know to judge its number."""

    name: str
    function: Callable[..., float]  # (clip) or, where a reference is needed, (clip, reference)
    better: Better
    unit: str
    needs_reference: bool
    description: str  # one line


@dataclass(frozen=True)
class Interval:
    """A mean of `n` measured values and its 95 % interval; one value alone is its own interval."""

    value: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean with its 95 % percentile bootstrap interval (Efron 1979); NaNs are left out and not in `n`.

    The result depends on the values, not on their order.
    """
    finite = np.sort([float(value) for value in values if not math.isnan(value)])
    n = len(finite)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(finite.mean())
    if n == 1 or finite[0] == finite[-1]:
        return Interval(mean, mean, mean, n)
    generator = np.random.default_rng(Key(seed, "bootstrap").word())
    # a block of resamples at a time: thousands of clips then need no table of all draws
    rows = max(1, _BLOCK // n)
    sizes = [(min(rows, DRAWS - done), n) for done in range(0, DRAWS, rows)]
    means = [finite[generator.integers(n, size=size)].mean(axis=1) for size in sizes]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return Interval(mean, float(low), float(high), n)

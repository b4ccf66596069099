"""Do frames come evenly? Stutter, frames that come in pairs, and any other period in how much frames change.

How much a picture changes from frame to frame goes up and down slowly in video, and with a period of a few frames only
where something in its making has that period: patches of two frames, frames held while they are upsampled in time,
pulldown. Taken apart by the ratio-to-moving-average method of seasonal decomposition, over a window of one period, so
that speeding up, slowing down and fading away count for nothing.
"""

import itertools
import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float

from framefall.noise import Key

PERIODS = range(2, 9)  # frames
FEWEST = 9  # frames of a clip
LEVEL = 2 / 255  # of the 0..1 range; a smaller change is rounding
NOISE = 4.0  # standard deviations of the noise; a smaller change is noise
NEAR = 4  # changes before and after that say whether something moves there
MOVES = 0.1  # of the clip's mean change; where less is near nothing moves
FEWEST_MOVING = 6  # frames around which something moves
TRIMMED = 0.25  # of the values at each end: a cut, a bounce and a pause are a few frames each
MOST = 10.0  # times; frames that are repeats would make it infinite
SHUFFLES = 50  # of the changes, to know which strength chance alone has
SLIGHT = 0.1  # of the usual change: so much more or less is nothing to anybody
NAMED = 0.3  # a weaker period is not named

Frames = Float[np.ndarray, "frames height width channels"]  # 0..1
Changes = Float[np.ndarray, " pairs"]

# what white noise leaves after it is 0, and a plane too (Immerkaer 1996); its sum of squares is 36
_ROUGH = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN = 0.6745  # of the absolute value of a standard normal number


@dataclass(frozen=True)
class Cadence:
    """What the changes from frame to frame say of a clip; NaN with a reason where they say nothing."""

    stutter: float  # times, 1..10: the change at every second frame over that between
    strength: float  # of the strongest period, 0..1
    period: int = 0  # frames; 0 where none is strong enough to be named
    reason: str = ""


def cadence(frames: Frames) -> Cadence:
    """Stutter and the strongest period of a clip's frames (`framefall.flow.frames_of`).

    With d the sizes of change and c their centred moving average over p frames (for an even p its ends count half), the
    values are r = d / c - 1, where something moves.

    **Stutter** is (1 + M) / (1 - M), M the mean of r (p = 2) at every second frame and of -r between, the outer
    quarters left out. For steady motion that is the ratio of the larger to the smaller of the means of odd and even
    changes. What chance adds is taken out of M: of its square, its squared standard error.

    The **strength** of a period is the share of the variance of r that its p means by phase explain, adjusted for the
    degrees of freedom, s; a tenth of the usual change more or less is taken for nothing. Of the strongest period it is
    (s - s0) / (1 - s0), s0 what the strongest has in shuffled changes: 1 explains all, 0 no more than chance does.

    Periods are those of 2 to 8 frames that are seen twice: p needs 3 p + 1 frames. NaN below 9 frames, and where
    something moves in fewer than 6.
    """
    if len(frames) < FEWEST:
        return Cadence(math.nan, math.nan, reason=f"it has {len(frames)} frames, and {FEWEST} are needed")
    changes, least = change_sizes(frames)
    values, phases = _values(changes, _moving(changes, least), 2, least)
    if len(values) < FEWEST_MOVING:
        return Cadence(
            math.nan, math.nan, reason=f"something moves in {len(values)} frames, and {FEWEST_MOVING} are needed"
        )
    strength, period = _strongest(changes, least)
    return Cadence(_stutter(np.where(phases, values, -values)), strength, period if strength >= NAMED else 0)


def change_sizes(frames: Frames) -> tuple[Changes, float]:
    """Mean absolute change of a pixel from frame to frame beyond noise, of the 0..1 range, and the least that counts.

    A change of the light of the whole frame is taken out (the median over its pixels), then what is within 4 standard
    deviations of the clip's noise, which is told from a picture by its roughness.
    """
    steps = [_step(one, other) for one, other in itertools.pairwise(frames)]
    noise = float(np.percentile([np.median(np.abs(cv2.filter2D(step, -1, _ROUGH))) for step in steps], 10))
    within = max(LEVEL, NOISE * noise / 6 / _MEDIAN)
    sizes = np.array([np.maximum(np.abs(step) - within, 0.0).mean(dtype=np.float64) for step in steps])
    return sizes, 1e-3 * within


def _step(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    step = other - one
    return np.asarray(step - np.median(step, axis=(0, 1)))


def _values(changes: Changes, moving: np.ndarray, period: int, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Changes over their moving average, less 1, and their phases; only where something moves."""
    weights = _weights(period)
    if len(changes) < len(weights):
        return np.zeros(0), np.zeros(0, int)
    usual = np.convolve(changes, weights, "valid")
    half = len(weights) // 2
    inside = slice(half, len(changes) - half)
    # between frames that are held for long the average is 0 as well: nothing unusual
    values = np.divide(changes[inside] - usual, usual, out=np.zeros_like(usual), where=usual > least)
    places = np.flatnonzero(moving[inside])
    return values[places], (places + half) % period


@cache
def _weights(period: int) -> np.ndarray:
    """Of a moving average over a period."""
    weights = np.full(2 * (period // 2) + 1, 1 / period)
    if period % 2 == 0:
        weights[[0, -1]] /= 2
    return weights


def _moving(changes: Changes, least: float) -> np.ndarray:
    """Where something moves."""
    return np.asarray(_near(changes) >= max(MOVES * changes.mean(), least))


def _near(changes: Changes) -> Changes:
    """Their means over four before to four after, or as many as there are."""
    sums, place = np.concatenate(([0.0], np.cumsum(changes))), np.arange(len(changes))
    first, last = np.maximum(place - NEAR, 0), np.minimum(place + NEAR + 1, len(changes))
    return np.asarray((sums[last] - sums[first]) / (last - first))


def _stutter(values: np.ndarray) -> float:
    """The ratio, of values that are above 0 where every second frame changes more."""
    count = len(values)
    cut = int(TRIMMED * count)
    kept = np.sort(values)[cut : count - cut]
    # Tukey and McLaughlin 1963; neighbouring values share changes, so that their mean varies 8/3 times as much
    spread = np.clip(values, kept[0], kept[-1]).std(ddof=1) * count / len(kept)
    error = 8 / 3 * spread**2 / count * (len(kept) - 1) / (len(kept) - 3)
    share = math.sqrt(max(0.0, float(kept.mean()) ** 2 - error))
    return min(MOST, (1 + share) / (1 - share)) if share < 1 else MOST


def _strongest(changes: Changes, least: float) -> tuple[float, int]:
    """The strength of the strongest period beyond chance, and the shortest period as strong as that."""
    found = _strengths(changes, least)
    best = max(found.values())
    key, chance = Key(0, "cadence"), 0.0
    for index in range(SHUFFLES):
        shuffled = np.random.default_rng(key.word(index)).permutation(changes)
        chance += max(0.0, *_strengths(shuffled, least).values()) / SHUFFLES
    # a period's multiples are as strong as itself
    period = next(period for period, strength in found.items() if strength >= best - 0.02)
    return (max(0.0, (best - chance) / (1 - chance)) if chance < 1 else 0.0), period


def _strengths(changes: Changes, least: float) -> dict[int, float]:
    """That of each period."""
    moving = _moving(changes, least)
    return {period: _strength(changes, moving, period, least) for period in PERIODS}


def _strength(changes: Changes, moving: np.ndarray, period: int, least: float) -> float:
    """The adjusted share of the variance that the phases explain; 0 where a phase is not seen twice."""
    values, phases = _values(changes, moving, period, least)
    counts = np.bincount(phases, minlength=period)
    if counts.min() < 2:
        return 0.0
    means = np.bincount(phases, values, period) / counts
    left = float(((values - means[phases]) ** 2).sum()) / (len(values) - period)
    apart = values - np.add.reduce(values) / len(values)  # their variance as numpy's, in a third of its time
    return 1 - (left + SLIGHT**2) / (float(np.add.reduce(apart * apart)) / (len(values) - 1) + SLIGHT**2)

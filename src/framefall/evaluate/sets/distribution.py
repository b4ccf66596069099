"""How far a set of clips is from a set of real ones: Frechet and kernel distances of any features.

A distance means nothing alone. Each comes with the distance between two halves of the real set (the floor: what equal
sets score at half the number), the number of clips and a bootstrap interval. Too few clips give NaN and the reason.
Clips of both sets must have one number of frames, frame rate and size: features depend on all three.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from framefall.noise import Key

FEWEST = 16  # clips of each set: two halves of 8 are the smallest floor
COMPONENTS = 32  # of the reference, at most; a covariance of more needs thousands of clips
RESAMPLES = 200  # of the bootstrap; enough for the ends to 10 % of the interval's width
HALVES = 10  # random halvings that the floor is the mean of

FeatureRows = Float[np.ndarray, "_ _"]  # a vector a row; the two sets need not be of one size
ClipRows = Sequence[FeatureRows]  # one array a clip: a row a frame, or a single row
Indices = Int[np.ndarray, " _"]
Measure = Callable[[ClipRows], Callable[[Indices, Indices], float]]  # clips; then which are generated, which reference


@dataclass(frozen=True)
class Distance:
    """One number for two sets of clips, with what it takes to judge it."""

    name: str
    value: float
    low: float
    high: float
    floor: float  # real against real, halves of the reference
    n: int  # generated clips
    n_reference: int
    features: str  # which network or measurement
    reason: str = ""  # why it is NaN


def frechet(generated: FeatureRows, reference: FeatureRows) -> float:
    """Squared Frechet distance of the two sets' Gaussians (Dowson and Landau 1982; Heusel et al. 2017).

    `|m - m'|^2 + tr S + tr S' - 2 tr (S S')^.5`. The last trace is the sum of the singular values of `X X'^T` over
    `sqrt((n - 1) (n' - 1))` with centred rows X, so that no root of a matrix is taken and fewer rows than columns
    do no harm. Needs two rows of each.
    """
    one, other = np.asarray(generated, np.float64), np.asarray(reference, np.float64)
    mean, mean_other = one.mean(0), other.mean(0)
    one, other = (one - mean) / math.sqrt(len(one) - 1), (other - mean_other) / math.sqrt(len(other) - 1)
    if max(len(one), len(other)) > one.shape[1]:  # then the smaller of two ways to the same singular values
        one, other = (np.asarray(np.linalg.qr(rows, mode="r")) for rows in (one, other))
    shared = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    apart = float(((mean - mean_other) ** 2).sum() + (one**2).sum() + (other**2).sum() - 2 * shared)
    return max(0.0, apart)


def frechet_of_clips(clips: ClipRows) -> Callable[[Indices, Indices], float]:
    """The Frechet distance of all rows of some clips to all rows of others."""

    def measure(generated: Indices, reference: Indices) -> float:
        return frechet(*(np.concatenate([clips[index] for index in part]) for part in (generated, reference)))

    return measure


def kernel_of_clips(clips: ClipRows) -> Callable[[Indices, Indices], float]:
    """Squared maximum mean discrepancy with the kernel `(x.y / d + 1)^3`, unbiased (Binkowski et al. 2018).

    Around 0 for equal sets, and below it by chance; it needs fewer clips than a Frechet distance. Rows of one clip are
    never compared with each other.     The kernel is worked out once, so that a resample costs nothing.
    """
    rows = np.concatenate([np.asarray(clip, np.float64) for clip in clips])
    starts = np.cumsum([0] + [len(clip) for clip in clips[:-1]])
    kernel = (rows @ rows.T / rows.shape[1] + 1.0) ** 3
    sizes = np.array([len(clip) for clip in clips], float)
    means = np.add.reduceat(np.add.reduceat(kernel, starts, axis=0), starts, axis=1) / np.outer(sizes, sizes)

    def within(drawn: Indices) -> float:
        others = drawn[:, None] != drawn[None]
        return float((means[np.ix_(drawn, drawn)] * others).sum() / max(1, others.sum()))

    def measure(generated: Indices, reference: Indices) -> float:
        return within(generated) + within(reference) - 2 * float(means[np.ix_(generated, reference)].mean())

    return measure


def compare(
    name: str,
    generated: ClipRows,
    reference: ClipRows,
    measure: Measure = frechet_of_clips,
    features: str = "",
    components: int | None = COMPONENTS,
    seed: int = 0,
) -> Distance:
    """The distance of two sets of clips, its floor, and the interval that resampling the clips gives.

    With `components`, features are first projected on the reference's main directions: as many, and at most a
    quarter of its clips. A clip whose features are not finite is left out and not in `n`. Where nothing can be said
    the value is NaN, and the reason is there.

    Resampled clips repeat, which moves the distance up; the interval is therefore the spread of the resamples around
    their mean, put around the value; where it reaches below 0, the sets cannot be told apart.
    """
    generated, reference = _finite(generated), _finite(reference)
    blank = too_few(name, features, len(generated), len(reference))
    if min(len(generated), len(reference)) < FEWEST:
        return blank
    widths = {rows.shape[1] for rows in (*generated, *reference)}
    if len(widths) > 1:
        said = f"features must be of one length, got {sorted(widths)}; give clips of one number of frames"
        return replace(blank, reason=said)
    if components is not None:
        project = projection(np.concatenate(reference), min(components, len(reference) // 4))
        generated, reference = [project(rows) for rows in generated], [project(rows) for rows in reference]
    random = np.random.default_rng(Key(seed, "distance").word())
    between = measure([*generated, *reference])
    made, real = np.arange(len(generated)), np.arange(len(generated), len(generated) + len(reference))
    value = between(made, real)
    draws = np.array([between(_drawn(made, random), _drawn(real, random)) for _ in range(RESAMPLES)])
    low, high = value + np.percentile(draws - draws.mean(), (2.5, 97.5))
    floor = np.mean([between(*_halves(real, random)) for _ in range(HALVES)])
    return replace(blank, value=value, low=float(low), high=float(high), floor=float(floor), reason="")


def too_few(name: str, features: str, n: int, n_reference: int) -> Distance:
    """No number, and how many clips there must be."""
    reason = f"{FEWEST} measurable clips or more are needed in each set, got {n} and {n_reference}; add clips"
    return Distance(name, math.nan, math.nan, math.nan, math.nan, n, n_reference, features, reason)


def projection(rows: FeatureRows, components: int) -> Callable[[FeatureRows], FeatureRows]:
    """A map onto the main directions of these rows, fitted once: both sets must go through the same."""
    centre = rows.mean(0, dtype=np.float64)
    directions = np.linalg.svd(rows - centre, full_matrices=False)[2][:components]

    def project(other: FeatureRows) -> FeatureRows:
        return np.asarray((other - centre) @ directions.T)

    return project


def _finite(clips: ClipRows) -> list[np.ndarray]:
    return [np.asarray(rows, np.float64) for rows in clips if len(rows) and np.isfinite(rows).all()]


def _drawn(clips: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return clips[random.integers(len(clips), size=len(clips))]


def _halves(clips: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order, half = random.permutation(clips), len(clips) // 2
    return order[:half], order[half:]

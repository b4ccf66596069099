"""Scores of an ensemble forecast against what came: is it sharp, and does it know how sure it may be?

An ensemble is `[members, ...]` and what came `[...]`, in physical units; a value that is missing (NaN) in either counts
nothing. Every score is proper or says what it is for; none of them looks at one member alone.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Ensemble = Float[np.ndarray, "members *shape"]
Truth = Float[np.ndarray, "*shape"]


@dataclass(frozen=True, kw_only=True)
class EnsembleScores:
    """All of them, of one quantity."""

    crps: float  # in the quantity's unit; lower is better
    mean_error: float  # the mean absolute error of the ensemble's mean: its CRPS as a point forecast
    spread_skill: float  # 1: as far apart as they err; below: too sure of themselves
    ranks: list[float]  # how often what came was above 0, 1, ... of the members: flat where it could be one of them
    n: int  # values that were scored


def crps(ensemble: Ensemble, truth: Truth) -> Truth:
    """The fair continuous ranked probability score of each value (Gneiting and Raftery 2007; Ferro 2014).

    E|X - y| - E|X - X'| / 2, with the mean over pairs of different members, so that the expectation does not depend on
    how many there are: it is that of the distribution they are drawn from. At least 2 members.
    """
    members = _members(ensemble)
    ordered = np.sort(ensemble.astype(np.float64), axis=0)
    # the sum of |x_i - x_j| over all pairs, from the ordered members
    weights = (2.0 * np.arange(1, members + 1) - members - 1).reshape(-1, *[1] * truth.ndim)
    apart = (weights * ordered).sum(axis=0) / (members * (members - 1))
    return np.abs(ordered - truth).mean(axis=0) - apart


def spread_skill(ensemble: Ensemble, truth: Truth) -> float:
    """The ensemble's spread over the error of its mean, both as root mean squares over all values.

    With the correction for few members: sqrt((m + 1) / m) (Fortin et al. 2014), so that members that could be what came
    have 1 in expectation whatever their number.
    """
    members = _members(ensemble)
    seen = _seen(ensemble, truth)
    wide = ensemble[:, seen].astype(np.float64)
    variance, error = wide.var(axis=0, ddof=1).mean(), np.square(wide.mean(axis=0) - truth[seen]).mean()
    return float(np.sqrt((members + 1) / members * variance / error)) if error > 0 else float("nan")


def rank_histogram(ensemble: Ensemble, truth: Truth, seed: int = 0) -> Float[np.ndarray, " ranks"]:
    """How often what came had each rank among the members, as shares that sum to 1 (Hamill 2001).

    Where members are equal to what came, its rank among them is drawn.
    """
    members, seen = _members(ensemble), _seen(ensemble, truth)
    wide, came = ensemble[:, seen], truth[seen]
    below, equal = (wide < came).sum(axis=0), (wide == came).sum(axis=0)
    ranks = below + np.random.default_rng(seed).integers(0, equal + 1)
    return np.bincount(ranks, minlength=members + 1) / max(1, len(ranks))


def flatness(ranks: Float[np.ndarray, " ranks"]) -> float:
    """How much of a rank histogram would have to move for it to be flat, 0..1."""
    return float(np.abs(ranks - 1 / len(ranks)).sum() / 2)


def score(ensemble: Ensemble, truth: Truth) -> EnsembleScores:
    """Every score of one quantity; a `ValueError` where nothing can be scored."""
    seen = _seen(ensemble, truth)
    if not seen.any():
        raise ValueError("an ensemble must have a value where what came has one, got none; give others")
    wide, came = ensemble[:, seen], truth[seen]
    return EnsembleScores(
        crps=float(crps(wide, came).mean()),
        mean_error=float(np.abs(wide.mean(axis=0) - came).mean()),
        spread_skill=spread_skill(wide, came),
        ranks=[float(share) for share in rank_histogram(wide, came)],
        n=int(seen.sum()),
    )


def _members(ensemble: Ensemble) -> int:
    if len(ensemble) < 2:
        raise ValueError(f"an ensemble must have at least 2 members, got {len(ensemble)}; make more with --count")
    return len(ensemble)


def _seen(ensemble: Ensemble, truth: Truth) -> np.ndarray:
    """Where every member and what came have a value."""
    return np.isfinite(truth) & np.isfinite(ensemble).all(axis=0)

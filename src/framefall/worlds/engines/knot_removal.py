"""Few knots from many states: what the cubic between two kept ones gives back anyway is dropped."""

import numpy as np
from jaxtyping import Bool, Float

_STRIDES = (16, 4, 1)  # most knots are found by looking at some states only, and that is cheaper


def needed_knots(
    times: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "bodies n 3"],
    before: Float[np.ndarray, "bodies n 3"],
    after: Float[np.ndarray, "bodies n 3"],
    jumps: Float[np.ndarray, "bodies n"],
    tolerance: Float[np.ndarray, "bodies 3"],
) -> Bool[np.ndarray, "bodies n"]:
    """Which states to keep so that the curve through them is within `tolerance` of every state.

    `before` and `after` are the rates just before and after each state. A stretch that the curve misses is split
    where the rates jump most, or in its middle where `jumps` is 0 all along; of all bodies at once. An infinite
    jump is kept in any case.
    """
    bodies, count, axes = values.shape
    shared = np.isinf(jumps)
    shared[:, (0, -1)] = True
    keep = shared.reshape(-1)  # one long row, in which no stretch goes from one body to the next
    points, rates_before, rates_after = (side.reshape(-1, axes) for side in (values, before, after))
    clock, score, limits = np.tile(times, bodies), jumps.reshape(-1), np.repeat(tolerance, count, axis=0)
    for stride in _STRIDES:
        looked_at = np.zeros_like(shared)
        looked_at[:, ::stride] = True
        waiting = np.flatnonzero(looked_at.reshape(-1) & ~keep)
        while len(waiting):
            knots = np.flatnonzero(keep)
            stretch = np.searchsorted(knots, waiting)
            left, right = knots[stretch - 1], knots[stretch]
            curve = _curve(clock, points, rates_before, rates_after, waiting, left, right)
            bad = np.zeros(len(knots) + 1, dtype=bool)
            bad[stretch[(np.abs(curve - points[waiting]) > limits[waiting]).any(axis=1)]] = True
            keep[_splits(knots, np.flatnonzero(bad), score)] = True
            waiting = waiting[bad[stretch]]
            waiting = waiting[~keep[waiting]]
    return keep.reshape(bodies, count)


def _curve(
    clock: np.ndarray,
    values: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    at: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
) -> Float[np.ndarray, "m axes"]:
    """Hermite's cubic between `left` and `right`, at the states `at`."""
    span = (clock[right] - clock[left])[:, None]
    u = (clock[at] - clock[left])[:, None] / span
    start, first, last = values[left], after[left] * span, before[right] * span
    jump = values[right] - start
    curve: np.ndarray = start + u * (first + u * (3 * jump - 2 * first - last + u * (first + last - 2 * jump)))
    return curve


def _splits(knots: np.ndarray, stretches: np.ndarray, score: np.ndarray) -> list[int]:
    """Where to split the stretches that end at these knots."""
    places = []
    for left, right in zip(knots[stretches - 1].tolist(), knots[stretches].tolist(), strict=True):
        if right - left > 1:
            best = left + 1 + int(score[left + 1 : right].argmax())
            places.append(best if score[best] > 0 else (left + right) // 2)
    return places

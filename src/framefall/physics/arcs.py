"""A way cut into parabolas: the pieces on which one constant acceleration explains all that was seen.

The cuts are the best ones there are (dynamic programming over all of them, Bellman 1961), each at a price, so that a
blow between two frames is found where it is, at any frame rate, and noise cuts nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

PRICE = 40.0  # of a piece, in squared noise: 6 numbers and a place, times the logarithm of 121 frames, and some more
ODD = 20.0  # more, for a piece with another acceleration than the usual one
NOISE = (0.02, 0.03)  # the least in pixels, and the most in diameters, that a place is taken to be uncertain by


@dataclass(frozen=True, eq=False)
class Arc:
    """A parabola through the places of one piece: place = a + b t + c t^2, t in seconds since `middle`."""

    frames: Int[np.ndarray, " n"]
    middle: float  # seconds
    factors: Float[np.ndarray, "3 2"]
    noise: float  # pixels, of one place

    @property
    def acceleration(self) -> Float[np.ndarray, "2"]:
        """Pixels a second squared."""
        return 2 * self.factors[2]

    def at(self, time: float) -> Float[np.ndarray, "2"]:
        """The place at a moment."""
        since = time - self.middle
        return np.asarray(self.factors[0] + since * (self.factors[1] + since * self.factors[2]))

    def velocity(self, time: float) -> Float[np.ndarray, "2"]:
        """Pixels a second, at a moment."""
        return np.asarray(self.factors[1] + 2 * (time - self.middle) * self.factors[2])


def noise_of(position: Float[np.ndarray, "frames 2"], used: Bool[np.ndarray, " frames"], size: float) -> float:
    """How uncertain a place is, in pixels: from the calmest third differences, where no parabola has any."""
    whole = used[:-3] & used[1:-2] & used[2:-1] & used[3:]
    third = np.abs(np.diff(position, 3, axis=0))[whole]
    # a quarter of a normal variable's values are below 0.3186 of its deviation; the third difference has 20 times
    # the variance of a place
    found = float(np.quantile(third, 0.25)) / 0.3186 / np.sqrt(20.0) if third.size else 0.0
    return float(np.clip(found, NOISE[0], max(NOISE[0], NOISE[1] * size)))


def segment(
    position: Float[np.ndarray, "frames 2"],
    used: Bool[np.ndarray, " frames"],
    fps: float,
    noise: float,
    pull: Float[np.ndarray, "2"] | None = None,
) -> Iterator[Arc]:
    """The pieces of a way, in order; single frames, which fit anything, are pieces too.

    Three frames fit any acceleration: where the usual one, `pull`, is known, it is preferred.
    """
    frames = np.flatnonzero(used)
    n = len(frames)
    if not n:
        return
    best, back = np.full(n + 1, np.inf), np.zeros(n + 1, int)
    best[0] = 0.0
    # residuals[start] of the pieces [start, start + 1), [start, start + 2), ...
    steady = None if pull is None else position - np.arange(len(position))[:, None] ** 2 * pull / (2 * fps**2)
    for start in range(n):
        rest, since = frames[start:], frames[start:] - frames[start]
        price = _residuals(since, position[rest], 3) / noise**2
        if steady is not None:
            price = np.minimum(price + ODD, _residuals(since, steady[rest], 2) / noise**2)
        cost = best[start] + price + PRICE
        better = cost < best[start + 1 :]
        best[start + 1 :][better] = cost[better]
        back[start + 1 :][better] = start
    ends = [n]
    while ends[-1]:
        ends.append(int(back[ends[-1]]))
    for stop, start in zip(ends[-2::-1], ends[:0:-1], strict=True):
        yield fit(position, frames[start:stop], fps, noise)


def fit(
    position: Float[np.ndarray, "frames 2"],
    frames: Int[np.ndarray, " n"],
    fps: float,
    noise: float,
    pull: Float[np.ndarray, "2"] | None = None,
) -> Arc:
    """The parabola through some frames; with `pull` its acceleration is given, and two frames are enough."""
    times = frames / fps
    middle = float(times.mean())
    since, place = times - middle, position[frames]
    factors = np.zeros((3, 2))
    if pull is not None:
        factors[2] = pull / 2
        place = place - since[:, None] ** 2 * factors[2]
    order = min(len(frames), 3 if pull is None else 2)
    powers = since[:, None] ** np.arange(order)
    scale = np.maximum(np.abs(powers).max(axis=0), 1e-12)
    factors[:order] = np.linalg.lstsq(powers / scale, place, rcond=None)[0] / scale[:, None]
    return Arc(frames, middle, factors, noise)


def _residuals(since: Int[np.ndarray, " n"], place: Float[np.ndarray, "n 2"], order: int) -> Float[np.ndarray, " n"]:
    """The summed squares that parabolas (order 3) or lines (2) leave of the first 1, 2, ... n places."""
    n = len(since)
    powers = np.cumsum(since[:, None].astype(float) ** np.arange(2 * order - 1), axis=0)
    moved = place - place[0]
    mixed = np.cumsum(since[:, None, None].astype(float) ** np.arange(order)[:, None] * moved[:, None, :], axis=0)
    squares = np.cumsum((moved**2).sum(axis=1))
    answer = np.zeros(n)
    if n <= order:
        return answer
    last = since[order:].astype(float)
    scale = last[:, None] ** -np.arange(float(order))  # so that no number is large
    both = np.add.outer(np.arange(order), np.arange(order))
    normal = powers[order:][:, both] * scale[:, :, None] * scale[:, None, :]
    right = mixed[order:] * scale[:, :, None]
    solved = np.linalg.solve(normal, right)
    answer[order:] = np.maximum(0.0, squares[order:] - (solved * right).sum(axis=(1, 2)))
    return answer

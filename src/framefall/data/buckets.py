"""Shapes of clips to train on side by side, so that no video is cut to a shape that is not its own.

Every batch is of one bucket. A shot is cut for each bucket that it can fill whose aspect ratio is nearest to its own,
so that a long video teaches several durations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from framefall.noise import Key
from framefall.ranges import Length


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The shape of a batch's clips."""

    frames: Length
    height: Length
    width: Length

    def __post_init__(self) -> None:
        if min(self.frames, self.height, self.width) < 1:
            raise ValueError(f"frames, height and width of a bucket must be at least 1, got {self}")

    @property
    def aspect(self) -> float:
        """Its aspect ratio, width over height, as a logarithm: 9:16 lies as far from 1:1 as 16:9 does."""
        return math.log(self.width / self.height)


ASPECTS = (1.0, 4 / 3, 3 / 4, 16 / 9, 9 / 16)  # width over height
_SIDE = 8  # pixels that every side is a multiple of


def ladder(frames: int, height: int, width: int) -> tuple[Bucket, ...]:
    """Buckets of about as many pixels as a clip of this shape, so that a batch of each costs about the same.

    Five aspect ratios and its own; as long as it is, half as long and larger, twice as long and smaller.
    """
    shapes = {Bucket(frames=frames, height=height, width=width): None}  # in order, each once
    for long in (frames, max(1, frames // 2), 2 * frames):
        for aspect in (width / height, *ASPECTS):
            down = math.sqrt(frames * height * width / long / aspect)
            sides = [max(_SIDE, round(side / _SIDE) * _SIDE) for side in (down, down * aspect)]
            shapes[Bucket(frames=long, height=sides[0], width=sides[1])] = None
    return tuple(shapes)


def fitting(buckets: Sequence[Bucket], height: int, width: int) -> list[Bucket]:
    """Those whose aspect ratio is nearest to that of a picture."""
    own = math.log(width / height)
    nearest = min((abs(bucket.aspect - own) for bucket in buckets), default=0.0)
    return [bucket for bucket in buckets if abs(bucket.aspect - own) <= nearest + _ALIKE]


_ALIKE = 0.1  # of aspect ratios that rounding to whole sides sets apart: 72x56 and 48x40 both stand for 4:3


def turn(counts: tuple[int, ...], seed: int, number: int) -> tuple[int, int]:
    """Which bucket batch `number` is of, and how many earlier ones were.

    In each cycle of as many batches as there are entries a bucket has as many turns as it has entries: every entry
    is seen equally often. A pure function of its arguments.
    """
    cycle, place = divmod(number, sum(counts))
    labels, earlier = _cycle(counts, seed, cycle)
    label = int(labels[place])
    return label, cycle * counts[label] + int(earlier[place])


@lru_cache(maxsize=4)
def _cycle(counts: tuple[int, ...], seed: int, cycle: int) -> tuple[np.ndarray, np.ndarray]:
    """The bucket of each place in a cycle, and how many places before it are of the same."""
    key = Key(seed, "buckets")
    labels = np.repeat(np.arange(len(counts)), counts)
    words = np.array([key.word(cycle, place) for place in range(len(labels))], dtype=np.uint64)
    labels = labels[np.argsort(words, kind="stable")]
    earlier = np.zeros(len(labels), dtype=int)
    for label, count in enumerate(counts):
        earlier[labels == label] = np.arange(count)
    return labels, earlier

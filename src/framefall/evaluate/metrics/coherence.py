"""Does a video hold together over time? Flicker that motion does not explain, and flicker of the light.

No reference is needed, any number of channels will do, and the unit is the 0..1 range. A clip that is too
short gives NaN: not measurable. A frozen clip scores a perfect 0: read these numbers beside a motion metric
(`framefall.evaluate.metrics.gates`). Frames larger than 256 x 256 pixels are averaged down first.
"""

import math
from collections.abc import Iterator

import numpy as np

from framefall.flow import Motion, at_full_size, brightness, square

STILL = 0.3  # pixels a frame; below this a pixel counts as static
STATIC_SHARE = 0.01  # of the frame must be static, or the light of a pair of frames is not measurable


def flicker(motion: Motion) -> float:
    """Mean amount by which a frame leaves the envelope of its two neighbours, warped onto it by optical flow.

    The envelope is [min, max] of the neighbours, a pixel and a channel at a time, so steady motion, fades
    and uncovered background stay inside. Where the flow forth and back disagrees (Sundaram et al. 2010)
    the neighbours count as they are, so that a clip too broken to track does not escape;
    what comes from outside the frame does not count. NaN below 3 frames.
    """
    outside, counted = 0.0, 0
    for beyond, inside in _beyond(motion):
        outside += float(beyond.sum(where=inside, dtype=np.float64))
        counted += int(inside.sum())
    return outside / counted if counted else math.nan


def flicker_by_frame(motion: Motion) -> dict[int, float]:
    """The same of each frame alone, by its number; none for the first and the last, which have one neighbour."""
    found = {}
    for index, (beyond, inside) in enumerate(_beyond(motion), start=1):
        if inside.any():
            found[index] = float(beyond.mean(where=inside, dtype=np.float64))
    return found


def _beyond(motion: Motion) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each frame but the first and the last: how far each pixel leaves the envelope, and where that counts."""
    for index in range(1, motion.pairs):
        before, middle, after = motion.frames[index - 1 : index + 2]
        past, future = motion.last_seen_from(index), motion.next_seen_from(index)
        sure = (past.sure & future.sure)[..., None]
        left, right = np.where(sure, past.image, before), np.where(sure, future.image, after)
        # how far the frame lies from its own value cut to the envelope
        beyond = np.abs(middle - np.clip(middle, np.minimum(left, right), np.maximum(left, right))).mean(-1)
        yield beyond, past.inside & future.inside


def luminance_flicker(motion: Motion) -> float:
    """Mean absolute frame-to-frame difference of the mean luma over static pixels (flow below 0.3 pixels).

    NaN below 2 frames, and where nothing stands still (less than 1 % of every pair of frames).
    """
    luma = brightness(motion.frames)
    steps = []
    for index in range(motion.pairs):
        static = (square(motion.forth[index]) < STILL**2) & (square(motion.back[index]) < STILL**2)
        if static.mean() >= STATIC_SHARE:
            weight = at_full_size(static, luma.shape[1:])
            now, then = (frame.mean(where=weight, dtype=np.float64) for frame in luma[index : index + 2])
            steps.append(abs(float(then - now)))
    return float(np.mean(steps)) if steps else math.nan

"""How much moves, how evenly, and what warping along the motion leaves: numbers a tracker is not needed for.

All of them take a `Motion`, so that the flow of a clip is found once. A clip too short, or in which nothing can be
measured, gives NaN. Most are won by a clip that stands still: `gates.py` says which, and voids them.
"""

import math

import cv2
import numpy as np

from framefall.flow import Motion, at_full_size, brightness, follow, square

TOP = 0.05  # share of the pixels whose motion counts as the clip's: a small object is seen, a still backdrop is not
MOVING = 0.5  # pixels of the grid a frame; below this flow is noise
MOVING_SHARE = 0.002  # of the grid must move, or evenness is not measurable
REPEAT_LEVEL = 3  # of 255; a repeated frame that was stored with losses changes by less
REPEAT_SHARE = 1e-3  # of the pixels may change by more in a repeated frame
PATCH = 8  # pixels of the grid a side: averaged over so many, noise of 3 % of the range is a grey level
ALIVE = 7.0  # of 255; a patch whose brightness ranges over less than this shows nothing but noise
ALIVE_SHARE = 0.005  # of the frame that must be alive, or the clip is frozen


def warp_error(motion: Motion) -> float:
    """Mean squared difference to the next frame fetched along the flow, of the 0..1 range (Lai et al. 2018, eq. 8).

    Hidden places and motion boundaries (Sundaram et al. 2010) do not count, nor what comes from outside the frame.
    The flow is DIS where the paper's is FlowNet2, and the clip's own. Low for anything still or blurred, blind to
    what jumps: for comparison with papers only.
    """
    errors = []
    for index in range(motion.pairs):
        following = motion.next_seen_from(index)
        seen = following.inside & following.sure & at_full_size(_smooth(motion.forth[index]), following.sure.shape)
        if seen.any():
            error = ((motion.frames[index] - following.image) ** 2).mean(-1)
            errors.append(float(error.mean(where=seen, dtype=np.float64)))
    return float(np.mean(errors)) if errors else math.nan


def dynamic_degree(motion: Motion) -> float:
    """Mean speed of the fastest 5 % of the pixels, in picture heights a second; NaN below 2 frames or without fps.

    What shows nothing but noise stands still, whatever the flow says: the brightness of its surroundings (8 pixels of
    the grid, less the whole frame's) ranges over less than 7 of 255 levels in the clip.
    """
    if not motion.pairs or math.isnan(motion.fps):
        return math.nan
    return float(np.mean([_top(speed) for speed in motion.speed * _alive(motion)]) / motion.luma.shape[1] * motion.fps)


def dynamic_ratio(motion: Motion, reference: Motion) -> float:
    """The dynamic degree over the reference's: ideally 1, in 0..inf; NaN where the reference stands still."""
    of_reference = dynamic_degree(reference)
    return dynamic_degree(motion) / of_reference if of_reference > 0 else math.nan


def repeated_frames(motion: Motion) -> float:
    """Share of the frames that repeat the one before, 0..1: judder, or at 1 a clip that is frozen throughout.

    A frame repeats when no more than one pixel in a thousand changes by more than 3 of 255 levels.
    """
    if not motion.pairs:
        return math.nan
    return len(repeats(motion)) / motion.pairs


def repeats(motion: Motion) -> list[int]:
    """The numbers of the frames that repeat the one before."""
    if not motion.pairs:
        return []
    change = np.abs(motion.luma[1:].astype(np.int16) - motion.luma[:-1])
    same = (change > REPEAT_LEVEL).mean(axis=(1, 2)) <= REPEAT_SHARE
    return [int(index) + 1 for index in np.flatnonzero(same)]


def longest_still(motion: Motion) -> float:
    """The longest stretch in which nothing but noise happens, as a share of the clip, 0..1; 1 is a frozen clip."""
    if not motion.pairs:
        return math.nan
    patches = _patches(motion)
    start, longest = 0, 0
    for index in range(1, len(patches)):
        if (np.abs(patches[index] - patches[start]) > ALIVE).mean() > ALIVE_SHARE:
            start = index
        longest = max(longest, index - start)
    return longest / motion.pairs


def unevenness(motion: Motion) -> float:
    """How much the velocity of what moves changes from frame to frame, against its speed: 0 even, 1 stop and go.

    Along the flow, the mean over frames of `sum |v' - v| / sum (|v'| + |v|)` over sure, moving places. Judder and
    trembling raise it on whole frames, without a tracker; a bounce does for its one frame. NaN below 3 frames and
    where nothing moves.
    """
    if motion.pairs < 2:
        return math.nan
    alive, steps = _alive(motion), []
    for index in range(motion.pairs - 1):
        now, then = motion.forth[index], follow(motion.forth[index + 1], motion.forth[index])
        before, after = np.sqrt(square(now)), np.sqrt(square(then))
        moving = alive & motion.sure_forth[index] & (np.maximum(before, after) > MOVING)
        if moving.mean() >= MOVING_SHARE:
            steps.append(np.sqrt(square(then - now))[moving].sum() / (before + after)[moving].sum())
    return float(np.mean(steps)) if steps else math.nan


def tof(motion: Motion, reference: Motion) -> float:
    """Mean length of the difference of the two clips' flow, pixels a frame (tOF of TecoGAN, Chu et al. 2020).

    Flow is Farneback's with the released parameters, on luma of at most 256 x 256 pixels.
    """
    one, other = (_bytes(clip) for clip in (motion, reference))
    if one.shape != other.shape:
        raise ValueError(
            f"a clip and its reference must have the same frames, height and width, got {list(one.shape)} and "
            f"{list(other.shape)}; crop or resize one of them"
        )
    gaps = [
        np.sqrt(square(_farneback(a, b) - _farneback(c, d))).mean()
        for a, b, c, d in zip(one[:-1], one[1:], other[:-1], other[1:], strict=True)
    ]
    return float(np.mean(gaps)) if gaps else math.nan


def _alive(motion: Motion) -> np.ndarray:
    """`[rows, columns]`: where the clip shows more than noise."""
    patches = _patches(motion)
    return np.asarray(patches.max(0) - patches.min(0) > ALIVE)


def _patches(motion: Motion) -> np.ndarray:
    """`[frames, rows, columns]`: the brightness around each pixel, less that of the whole frame."""
    rows, columns = motion.luma.shape[1:]
    around = np.stack([cv2.blur(image.astype(np.float32), (PATCH, PATCH)) for image in motion.luma])
    if min(rows, columns) > 2 * PATCH:  # at the edge there are fewer pixels to average: the next whole patch stands in
        edge = PATCH // 2
        around = np.pad(around[:, edge:-edge, edge:-edge], ((0, 0), (edge, edge), (edge, edge)), mode="edge")
    return around - around.mean(axis=(1, 2), keepdims=True)


def _top(speed: np.ndarray) -> float:
    """The mean of the fastest 5 %."""
    flat = speed.ravel()
    count = max(1, int(TOP * flat.size))
    return float(np.partition(flat, flat.size - count)[-count:].mean())


def _smooth(flow: np.ndarray) -> np.ndarray:
    """Where the flow has no boundary."""
    if min(flow.shape[:2]) < 2:
        return np.ones(flow.shape[:2], bool)
    down, across = np.gradient(flow, axis=(0, 1))
    return np.asarray(square(down) + square(across) <= 0.01 * square(flow) + 0.002)


def _bytes(motion: Motion) -> np.ndarray:
    return np.clip(np.rint(brightness(motion.frames) * 255), 0, 255).astype(np.uint8)


def _farneback(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 3, 15, 3, 5, 1.2, 0))

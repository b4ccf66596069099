"""Where pieces of a clip meet: how large the step is there, whether pixels were kept, and how colours drift."""

from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, Float, UInt8

from framefall.flow import brightness

Frames = UInt8[np.ndarray, "frames height width channels"]
Marks = Bool[np.ndarray, "frames height width"]
Region = Bool[np.ndarray, "height width"]

LEAST = 1e-4  # of the 0..1 range: a smaller step is no step, and nothing can be held against it


def steps(frames: Frames) -> Float[np.ndarray, " frames"]:
    """Step i is the mean absolute difference of frame i from frame i - 1, of the 0..1 range.

    Step 0 leads from the last frame to the first, as in a loop.
    """
    sizes = [np.abs(frames[i].astype(np.int16) - frames[i - 1]).mean(dtype=np.float64) for i in range(len(frames))]
    return np.array(sizes) / 255


def join_ratio(frames: Frames, joins: Collection[int], others: Collection[int] = ()) -> float:
    """The mean step into the frames of `joins` over the median of those inside; 0 joins the last frame to the first.

    Steps into `others` are not inside either. NaN without joins, and where nothing moves inside.
    """
    sizes = steps(frames)
    inside = [step for step in range(1, len(frames)) if step not in joins and step not in others]
    usual = float(np.median(sizes[inside])) if inside else 0.0
    return float(sizes[list(joins)].mean()) / usual if joins and usual >= LEAST else float("nan")


def seam_ratio(frames: Frames, region: Region) -> float:
    """The same in space: the mean difference of neighbours of whom one is in a region, over that of the pairs beside.

    A pair beside lies one pixel before or after in the same direction. NaN without an edge, and where all is flat.
    """
    across, beside = list[np.ndarray](), list[np.ndarray]()
    for axis in (0, 1):
        border = np.diff(region.astype(np.int8), axis=axis) != 0
        apart = np.abs(np.diff(frames.astype(np.int16), axis=axis + 1)).mean(axis=3) / 255
        near = np.zeros_like(border)
        for place, shifted in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
            ours, theirs = (place, shifted) if axis == 0 else ((np.s_[:], one) for one in (place, shifted))
            near[ours] |= border[theirs]
        across.append(apart[:, border].ravel())
        beside.append(apart[:, near & ~border].ravel())
    over, under = (np.concatenate(each) for each in (across, beside))
    return float(over.mean() / under.mean()) if len(over) and len(under) and under.mean() >= LEAST else float("nan")


def kept_share(made: np.ndarray, given: np.ndarray, marks: Marks) -> float:
    """The share of the marked pixels whose bits, of every channel, are the given ones; NaN where none is marked."""
    equal = (made == given).all(axis=-1)
    return float(equal[marks].mean()) if marks.any() else float("nan")


def alternating(one: Frames, other: Frames, starts: Collection[int]) -> Frames:
    """A clip that changes over to the other at each of `starts`, and back again at the next."""
    turns = np.zeros(len(one), int)
    turns[list(starts)] = 1
    return np.where((np.cumsum(turns) % 2 == 1)[:, None, None, None], other, one)


def light(frames: Frames) -> tuple[float, float]:
    """Mean luma (0..1), and saturation: the sum of what the strongest channel has over the weakest, over its own sum.

    A clip that fades to black keeps its saturation, one that fades to grey loses it.
    """
    most, least = frames.max(axis=3).astype(float), frames.min(axis=3).astype(float)
    return float(brightness(frames.astype(np.float32) / 255).mean()), float((most - least).sum() / max(1.0, most.sum()))

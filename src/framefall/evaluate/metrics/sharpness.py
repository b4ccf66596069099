"""How sharp edges are, whatever they are edges of: a number that neither more of them nor more contrast changes."""

import math

import cv2
import numpy as np
from jaxtyping import Float

from framefall.flow import brightness

REACH = 1 / 32  # of the picture's height: how far an edge may spread to both sides
WHOLE = 0.95  # of the most that changes within reach of any place nearby
CONTRAST = 0.1  # of the 0..1 range: where less changes within reach there is no edge

Frames = Float[np.ndarray, "frames height width channels"]  # 0..1


def edge_sharpness(frames: Frames) -> float:
    """The steepest step between neighbouring pixels as a share of all that changes near it, the median over edges.

    1: every edge is one step from pixel to pixel; a ramp of n pixels gives 1 / n. 0 where a clip has no edge at all:
    nothing is not sharp. NaN of a clip without frames.
    """
    if not len(frames):
        return math.nan
    reach = max(1, round(REACH * frames.shape[1]))
    near = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    shares = []
    for luma in brightness(frames):
        steps = np.zeros_like(luma)
        down, right = np.abs(np.diff(luma, axis=0)), np.abs(np.diff(luma, axis=1))
        steps[:-1] = down
        steps[:, :-1] = np.maximum(steps[:, :-1], right)
        change = cv2.dilate(luma, near) - cv2.erode(luma, near)
        # where an edge lies within reach as a whole, not with one side of it alone
        edge = (change > CONTRAST) & (change >= WHOLE * cv2.dilate(change, near))
        shares.append((cv2.dilate(steps, near)[edge] / change[edge]).ravel())
    found = np.concatenate(shares)
    return float(np.median(found)) if found.size else 0.0

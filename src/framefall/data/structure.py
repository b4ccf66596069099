"""Where things are in a video, without what they look like: maps of one channel, computed by OpenCV.

What Gen-1 (Esser et al. 2023) calls structure. Each kind is a function from frames to maps in 0..1. Depth is none of
them, because no network of depth comes inside a package.
"""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Frames = UInt8[np.ndarray, "frames height width channels"]
Maps = Float[np.ndarray, "frames height width"]  # 0..1

EDGES = (60.0, 140.0)  # of the gradient: a weak edge that touches a strong one, and a strong one
MOVING = 24  # levels, 0..255, by which what moves differs from what stands still


def edges(frames: Frames) -> Maps:
    """1 where brightness changes at once (Canny 1986), 0 elsewhere."""
    found = [cv2.Canny(_grey(frame), *EDGES, L2gradient=True) for frame in frames]
    return np.stack(found).astype(np.float32) / 255.0


def moving(frames: Frames) -> Maps:
    """1 where a frame differs from the median of all of them, which is what stands still; specks are left out.

    Of a view that moves over its scene it says where that is not even.
    """
    still = np.median(frames, axis=0)
    far = np.abs(frames.astype(np.float32) - still).max(axis=3) > MOVING
    speck = np.ones((3, 3), np.uint8)
    return np.stack([cv2.morphologyEx(one.astype(np.uint8), cv2.MORPH_OPEN, speck) for one in far]).astype(np.float32)


def _grey(frame: UInt8[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width"]:
    if frame.shape[2] < 3:
        return np.ascontiguousarray(frame[:, :, 0])
    return cv2.cvtColor(np.ascontiguousarray(frame[:, :, :3]), cv2.COLOR_RGB2GRAY)


STRUCTURES: dict[str, Callable[[Frames], Maps]] = {"edges": edges, "mask": moving}

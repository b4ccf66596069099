"""Where things are in a video, without what they look like: maps of one channel, computed by OpenCV.

What Gen-1 (Esser et al. 2023) calls structure. Each kind is a function from frames to maps in 0..1. Depth is none of
them, because no network of depth comes inside a package.
"""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, Int16, UInt8

Frames = UInt8[np.ndarray, "frames height width channels"]
Slopes = Int16[np.ndarray, "height width"]
Maps = Float[np.ndarray, "frames height width"]  # 0..1

EDGES = (60.0, 140.0)  # of the gradient: a weak edge that touches a strong one, and a strong one
MOVING = 24  # levels, 0..255, by which what moves differs from what stands still


def edges(frames: Frames) -> Maps:
    """1 where brightness or colour changes at once (Canny 1986), 0 elsewhere.

    The gradient of a pixel is that of the channel in which it is steepest: yellow ends on grey of the same brightness.
    """
    found = [cv2.Canny(*_gradient(frame), *EDGES, L2gradient=True) for frame in frames]
    return np.stack(found).astype(np.float32) / 255.0


def moving(frames: Frames) -> Maps:
    """1 where a frame differs from the median of all of them, which is what stands still; specks are left out.

    Of a view that moves over its scene it says where that is not even.
    """
    still = np.median(frames, axis=0)
    far = np.abs(frames.astype(np.float32) - still).max(axis=3) > MOVING
    speck = np.ones((3, 3), np.uint8)
    return np.stack([cv2.morphologyEx(one.astype(np.uint8), cv2.MORPH_OPEN, speck) for one in far]).astype(np.float32)


def _gradient(frame: UInt8[np.ndarray, "height width channels"]) -> tuple[Slopes, Slopes]:
    """Along x and along y, as Sobel has it, of the channel with the largest one."""
    slopes = [
        cv2.Sobel(frame, cv2.CV_16S, *order, borderType=cv2.BORDER_REPLICATE).reshape(frame.shape)
        for order in ((1, 0), (0, 1))
    ]
    steep = sum(np.square(one, dtype=np.int32) for one in slopes).argmax(axis=2)[..., None]
    along_x, along_y = (np.take_along_axis(one, steep, axis=2)[..., 0] for one in slopes)
    return along_x, along_y


STRUCTURES: dict[str, Callable[[Frames], Maps]] = {"edges": edges, "mask": moving}

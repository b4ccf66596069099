"""How the view moves over a still scene, if it only shifts: Gauss and Newton on what stays when outliers are left out.

Each frame is laid over an earlier one by inverse compositional Lucas-Kanade (Baker and Matthews 2004) with Tukey's
weights, so that what moves by itself does not count. A shift that explains nothing is no shift.
"""

import cv2
import numpy as np
from jaxtyping import Float

from framefall.tracking.working_clip import Pictures

SIDE = 128  # pixels of the shorter side that motion is measured with
LEAST = 0.6  # pixels, of the working picture, that the view must go in all
GAIN = 0.8  # of the residual without the shift: what a shift leaves must be less
LEVELS = 0.25  # grey levels that a shift must explain
OVERLAP = 0.5  # of the picture: farther from its anchor a frame gets a new one


def find_camera(pictures: Pictures) -> Float[np.ndarray, "frames 2"] | None:
    """Where the view has gone since frame 0, in pixels, x to the right and y down; None if it stands still.

    None as well if nothing tells: over an even wall a camera cannot be seen to move.
    """
    frames, height, width, _ = pictures.shape
    if frames < 2 or min(height, width) < 16:
        return None
    scale = max(1.0, min(height, width) / SIDE)
    size = round(width / scale), round(height / scale)
    first, *probes = (_grey(pictures[index], size) for index in (0, frames // 2, frames - 1))
    if all(_still(_Anchor(first), probe) for probe in probes) and not _crosses(pictures, size):
        return None
    way = _follow(pictures, size) * scale
    return way if np.ptp(way, axis=0).max() >= LEAST and _explains(pictures, size, way / scale) else None


class _Anchor:
    """A picture that others are laid over."""

    def __init__(self, grey: np.ndarray) -> None:
        self.grey = grey
        self.slopes = np.stack(
            [cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3, scale=1 / 8)[2:-2, 2:-2] for order in ((1, 0), (0, 1))],
            axis=-1,
        ).reshape(-1, 2)

    def shift(self, grey: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Where in `grey` the anchor's upper left corner is (minus the view's way), from a first guess."""
        height, width = grey.shape
        shift = start.astype(np.float64).copy()
        for _ in range(12):
            warp = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            moved = cv2.warpAffine(
                grey, warp, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-1e4
            )
            error = (moved - self.grey)[2:-2, 2:-2]
            inside = np.abs(error) < 1e3
            if inside.mean() < OVERLAP / 2:
                return start
            spread = 4.7 * 1.4826 * float(np.median(np.abs(error[inside]))) + 1.0
            weight = np.where(inside, np.clip(1 - (error / spread) ** 2, 0, None) ** 2, 0)
            weighed = self.slopes * weight.reshape(-1, 1)  # n 2
            normal = weighed.T @ self.slopes + 1e-3 * np.eye(2)
            step = np.linalg.solve(normal, weighed.T @ error.ravel())
            shift -= np.clip(step, -2, 2)
            if np.abs(step).max() < 0.003:
                break
        return shift


def _grey(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if (grey.shape[1], grey.shape[0]) != size:
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(grey, (5, 5), 1.0)


def _still(anchor: _Anchor, grey: np.ndarray) -> bool:
    """Whether most of the picture is where it was, as well as could be."""
    shift = anchor.shift(grey, np.zeros(2))
    return float(np.abs(shift).max()) < LEAST / 2


def _crosses(pictures: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether the middle frames differ so much from the first that the view may have gone far."""
    frames = len(pictures)
    first, middle = _grey(pictures[0], size), _grey(pictures[frames // 2], size)
    return float(np.median(np.abs(first - middle))) > 12.0


def _follow(pictures: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    way = np.zeros((len(pictures), 2))
    anchor, base, last = _Anchor(_grey(pictures[0], size)), np.zeros(2), np.zeros(2)
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    before = anchor.grey
    for index in range(1, len(pictures)):
        grey = _grey(pictures[index], size)
        guess = 2 * way[index - 1] - way[max(0, index - 2)] - base
        shift = anchor.shift(grey, -guess)
        if np.abs(shift + guess).max() > 4:  # a jolt: the whole picture tells where it went
            (dx, dy), sure = cv2.phaseCorrelate(before, grey, window)
            if sure > 0.2:
                shift = anchor.shift(grey, base - way[index - 1] + (dx, dy))
        last = -shift
        way[index] = base + last
        if (np.abs(last) > (1 - OVERLAP) * np.array(size) / 2).any():
            anchor, base = _Anchor(grey), way[index]
        before = grey
    return way


def _explains(pictures: np.ndarray, size: tuple[int, int], way: np.ndarray) -> bool:
    """Whether the pictures fit better with the shift than without it."""
    with_it, without = [], []
    first = _grey(pictures[0], size)
    for index in (len(pictures) // 2, len(pictures) - 1):
        grey = _grey(pictures[index], size)
        warp = np.array([[1.0, 0.0, -way[index, 0]], [0.0, 1.0, -way[index, 1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(grey, warp, size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-1e4)
        inside = moved > -1e3
        if inside.mean() < 0.1:
            continue
        textured = inside & (np.hypot(cv2.Sobel(first, cv2.CV_32F, 1, 0), cv2.Sobel(first, cv2.CV_32F, 0, 1)) > 1.0)
        if textured.sum() < 50:
            continue
        with_it.append(float(np.median(np.abs(moved - first)[textured])))
        without.append(float(np.median(np.abs(grey - first)[textured])))
    if not with_it:
        return len(way) > 2 and float(np.ptp(way, axis=0).max()) > OVERLAP * min(size)
    return bool(np.mean(with_it) < GAIN * np.mean(without) and np.mean(without) - np.mean(with_it) > LEVELS)

"""Shadows and shading: light that changes all channels by one factor, softly, and makes no object."""

import cv2
import numpy as np
from jaxtyping import Float

from framefall.tracking.working_clip import Picture, PixelMask

DARK, BRIGHT = 0.55, 1.3  # of the background's (encoded) value, between which a place may be but lit otherwise
_SQUARE = np.ones((3, 3), np.uint8)

Colours = Float[np.ndarray, "rows columns 3"]


def find_shading(bytes_: Picture, below: Picture, piece: PixelMask) -> PixelMask | None:
    """Where only the light differs: all channels by one factor, softly. None if nowhere."""
    seen, back = bytes_.astype(np.float32) + 2, below.astype(np.float32) + 2
    ratio = seen / back
    red, green, blue = ratio[..., 0], ratio[..., 1], ratio[..., 2]
    mean = (red + green + blue) / 3
    apart = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    # rounding and noise of some levels, and a little colour that chroma subsampling brings
    alike = piece & (apart < 0.2 * np.abs(mean - 1) + 3.0 / np.minimum(back[..., 0], back[..., 2]))
    alike &= (np.abs(mean - 1) > 0.02) & (mean > DARK) & (mean < BRIGHT)
    if alike.sum() < max(4, 0.05 * piece.sum()):
        return None
    if alike.sum() > 0.7 * piece.sum() and _sharp(bytes_, below, piece):
        return None  # a grey thing on grey
    return alike


def _sharp(bytes_: np.ndarray, below: np.ndarray, piece: np.ndarray) -> bool:
    """Whether a piece has an outline of its own, that neither the background nor a soft shadow has."""
    mask = piece.astype(np.uint8)
    ring = (cv2.dilate(mask, _SQUARE) - cv2.erode(mask, _SQUARE)) > 0
    if not ring.any():  # the whole picture has no outline
        return False
    apart = bytes_.astype(np.float32).mean(axis=2) - below.astype(np.float32).mean(axis=2)
    depth = float(np.median(np.abs(apart[piece])))
    slope = np.hypot(cv2.Sobel(apart, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(apart, cv2.CV_32F, 0, 1, scale=1 / 8))
    own = cv2.dilate(slope, _SQUARE)[ring]
    base = below.astype(np.float32).mean(axis=2)
    theirs = cv2.dilate(
        np.hypot(cv2.Sobel(base, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(base, cv2.CV_32F, 0, 1, scale=1 / 8)),
        _SQUARE,
    )
    return bool(np.median(own) > 0.3 * depth and np.median(theirs[ring]) < np.median(own))


def unshaded(apart: np.ndarray, toward: np.ndarray, back: np.ndarray, power: np.ndarray) -> np.ndarray:
    """The matte where a shadow may lie behind: `I - B = alpha (c - B) - s B`, both by least squares, s at least 0."""
    base, cross = dot(back, back), -dot(toward, back)
    first, second = dot(apart, toward), -dot(apart, back)
    determinant = np.maximum(power * base - cross * cross, 1e-3 * power * base + 1.0)
    shadow = (power * second - cross * first) / determinant
    both = (base * first - cross * second) / determinant
    return np.where((shadow > 0.01) & (both < 1.0), both, first / power)


def dot(one: Colours, two: Colours) -> Float[np.ndarray, "rows columns"]:
    """The inner product of two pictures' colours, pixel by pixel."""
    product: np.ndarray = np.einsum("hwc,hwc->hw", one, two)
    return product

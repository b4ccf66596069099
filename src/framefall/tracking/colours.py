"""Colours: CIE Lab of one colour, and what of a colour light and shade leave alone."""

import numpy as np
from jaxtyping import Float, UInt8

_LINEAR = np.where(
    np.arange(256) / 255 <= 0.04045, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


def lab(srgb: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    """An sRGB colour, 0..1, in CIE Lab under D65 (CIE 15:2004); plain floats, as it is asked of every blob."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.clip(srgb, 0, 1).tolist()]
    ratios = (sum(a * b for a, b in zip(row, linear, strict=True)) / sum(row) for row in _XYZ)
    x, y, z = (r ** (1 / 3) if r > (6 / 29) ** 3 else r / (3 * (6 / 29) ** 2) + 4 / 29 for r in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def hue(pixels: UInt8[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Chromaticity (r, g) of linear light, and a little of the lightness: shading and stripes change it by under 0.06.

    Of what is nearly black, chromaticity is noise, so it is drawn towards grey.
    """
    linear = _LINEAR[pixels] + np.float32(0.01)
    total = linear.sum(axis=-1, keepdims=True)
    return np.concatenate((linear[..., :2] / total, 0.25 * np.cbrt(total / 3)), axis=-1)

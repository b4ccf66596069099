"""CIE Lab of known colours, and what shading leaves of a hue."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from framefall.tracking.colours import hue, lab
from framefall.worlds.scene import COLOURS


@pytest.mark.parametrize("name", COLOURS)
def test_lab_is_that_of_another_library(name: str) -> None:
    srgb = np.array(COLOURS[name])
    assert lab(srgb) == pytest.approx(rgb2lab(srgb[None, None])[0, 0].tolist(), abs=0.05)


def test_black_white_and_what_is_out_of_range() -> None:
    assert lab(np.zeros(3)) == pytest.approx((0.0, 0.0, 0.0))
    assert lab(np.ones(3)) == pytest.approx((100.0, 0.0, 0.0), abs=0.02)
    assert lab(np.array([1.2, 1.2, 1.2])) == lab(np.ones(3))


def test_shading_changes_a_hue_less_than_another_colour_does() -> None:
    bodies = {name: np.array(COLOURS[name]) for name in ("red", "green", "blue", "yellow", "purple")}

    def seen(srgb: np.ndarray, light: float) -> np.ndarray:
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) * light
        encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        return hue(np.round(255 * np.clip(encoded, 0, 1)).astype(np.uint8))

    for name, srgb in bodies.items():
        shaded = np.abs(seen(srgb, 0.8) - seen(srgb, 1.0)).max()
        others = [np.abs(seen(other, 1.0) - seen(srgb, 1.0)).max() for n, other in bodies.items() if n != name]
        assert shaded < 0.06 < 0.10 < min(others), name

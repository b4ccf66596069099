"""Sharpness of edges: what blurs lowers it, what adds edges or contrast does not."""

import cv2
import numpy as np
import pytest

from framefall.bench.guidance import edges
from framefall.evaluate.metrics.sharpness import edge_sharpness
from framefall.video import from_pixels


def boxes(count: int, bright: float = 0.8, size: int = 128) -> np.ndarray:
    """A frame of boxes apart from each other, in 0..1."""
    frame = np.full((1, size, size, 3), 0.1, np.float32)
    for box in range(count):
        top, left = 10 + 40 * (box // 3), 8 + 40 * (box % 3)
        frame[:, top : top + 24, left : left + 24] = bright
    return frame


def ramp(width: int, size: int = 128) -> np.ndarray:
    """One edge from left to right that rises evenly over some pixels."""
    rise = np.clip((np.arange(size) - size // 2) / width, 0, 1)
    return np.broadcast_to(0.2 + 0.6 * rise, (size, size))[None, ..., None].repeat(3, 3).astype(np.float32)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_ramp_of_n_pixels_has_one_nth(width: int) -> None:
    assert edge_sharpness(ramp(width)) == pytest.approx(1 / width, rel=0.01)


def test_more_edges_and_less_contrast_change_nothing_and_blur_does() -> None:
    assert edge_sharpness(boxes(1)) == edge_sharpness(boxes(6)) == pytest.approx(1.0)
    assert edge_sharpness(boxes(6, bright=0.4)) == pytest.approx(1.0)
    blurred = cv2.blur(boxes(6)[0], (4, 4))[None]
    assert edge_sharpness(blurred) < 0.4
    # the broken control: the mean square of differences takes more things for sharper ones
    one, six = (from_pixels((255 * boxes(count)).astype(np.uint8)).permute(3, 0, 1, 2)[None] for count in (1, 6))
    assert edges(six) > 2 * edges(one)


def test_a_clip_without_edges_is_not_sharp() -> None:
    assert edge_sharpness(boxes(0)) == 0.0
    assert np.isnan(edge_sharpness(boxes(1)[:0]))

"""A view that pans is followed, and one that stands still does not move."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from framefall.tracking.camera import find_camera
from framefall.tracking.tracker import track

Shoot = Callable[..., Any]


@pytest.mark.parametrize("known", [True, False])
def test_a_camera_that_pans_is_followed_and_taken_out(known: bool, shoot: Shoot, world: Shoot) -> None:
    scenario, index = "uniform", 14
    assert any(world(scenario, index).scene.camera.velocity)
    shot = shoot(scenario, index, 64)
    tracks = track(shot.video(), 24.0, scene=shot.known() if known else None)
    assert np.abs(tracks.camera - shot.camera).max() < 0.15
    assert np.median(shot.errors(tracks)) < 0.05


def textured(shifts: np.ndarray, size: tuple[int, int] = (64, 80)) -> np.ndarray:
    """A smooth random wall, seen from each place."""
    wall = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 1, (160, 200)).astype(np.float32), (0, 0), 3)
    wall = 128 + 60 * wall / wall.std() / 3
    frames = []
    for x, y in shifts:
        warp = np.array([[1.0, 0.0, 40 + x], [0.0, 1.0, 40 + y]])
        frames.append(cv2.warpAffine(wall, warp, size[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP))
    return np.repeat(np.clip(np.round(frames), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize("speed", [(0.4, 0.0), (-0.7, 0.3)])
def test_a_shift_of_a_textured_wall_is_found_to_a_tenth_of_a_pixel(speed: tuple[float, float]) -> None:
    way = np.arange(16)[:, None] * np.array(speed)
    found = find_camera(textured(way))
    assert found is not None
    assert np.abs(found - way).max() < 0.1
    # what moves by itself does not count: a square crosses the picture
    pictures = textured(way)
    for frame in range(16):
        pictures[frame, 20:34, 4 * frame : 4 * frame + 14] = (200, 30, 30)
    crossed = find_camera(pictures)
    assert crossed is not None and np.abs(crossed - way).max() < 0.2


def test_a_still_an_even_a_tiny_and_a_single_picture_have_no_camera() -> None:
    assert find_camera(textured(np.zeros((8, 2)))) is None
    assert find_camera(np.full((8, 32, 32, 3), 90, np.uint8)) is None
    assert find_camera(textured(np.arange(8)[:, None] * np.ones(2), (12, 12))) is None
    assert find_camera(textured(np.zeros((1, 2)))) is None

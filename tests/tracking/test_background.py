"""The picture without objects: a median, mended where things stood, as bright as each frame."""

import numpy as np
import pytest

from framefall.tracking.background import find_background, median

ROWS, COLUMNS = np.mgrid[:48, :64]
WALL = np.stack((100 + ROWS, 120 + COLUMNS // 2, 140 + 0 * ROWS), axis=-1).astype(np.uint8)


def with_square(left: int, top: int = 20, side: int = 10) -> np.ndarray:
    picture = WALL.copy()
    picture[top : top + side, left : left + side] = (220, 40, 40)
    return picture


@pytest.mark.parametrize("frames", [1, 3, 7, 21])
def test_the_sorting_network_is_the_median(frames: int) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (frames, 9, 11, 3), dtype=np.uint8)
    kept = stack.copy()
    np.testing.assert_array_equal(median(stack), np.median(stack, axis=0).astype(np.uint8))
    np.testing.assert_array_equal(stack, kept)


def test_what_moves_through_is_not_in_the_background() -> None:
    pictures = np.stack([with_square(2 * frame) for frame in range(25)])
    back = find_background(pictures, None, None)
    np.testing.assert_array_equal(back.at(0, pictures[0]), WALL)
    assert back.noise == 0.0


def test_what_stood_there_most_of_the_time_is_mended_away() -> None:
    pictures = np.stack([with_square(10 if frame < 15 else 12 + 2 * (frame - 15)) for frame in range(25)])
    back = find_background(pictures, None, None).at(0, pictures[0]).astype(int)
    assert np.abs(np.median(pictures, axis=0) - WALL).max() > 90  # the control: the median has it
    assert np.abs(back - WALL).max() <= 24


def test_a_known_background_shows_what_always_stands() -> None:
    pictures = np.stack([with_square(10)] * 9)
    blind = find_background(pictures, None, None).at(0, pictures[0])
    known = find_background(pictures, None, WALL[None]).at(0, pictures[0])
    assert np.abs(known.astype(int) - WALL).max() <= 3
    np.testing.assert_array_equal(blind, pictures[0])  # the control: what never moves cannot be told


def test_a_frame_that_is_brighter_has_a_brighter_background() -> None:
    pictures = np.stack([with_square(2 * frame) for frame in range(25)])
    lit = np.clip(pictures[7] * 1.1, 0, 255).astype(np.uint8)
    back = find_background(pictures, None, None)
    assert np.abs(back.at(7, lit).astype(int) - np.clip(WALL * 1.1, 0, 255)).max() <= 2


def test_the_noise_over_it_is_measured() -> None:
    noise = np.random.default_rng(0).normal(0, 4, (25, 48, 64, 3))
    pictures = np.clip(np.stack([with_square(2 * frame) for frame in range(25)]) + noise, 0, 255).astype(np.uint8)
    assert find_background(pictures, None, None).noise == pytest.approx(4, rel=0.25)


def test_a_view_that_goes_over_a_wall_sees_its_part_of_it() -> None:
    wide = np.zeros((48, 120, 3), np.uint8)
    wide[..., 0], wide[..., 1] = 60 + np.arange(120), 80 + 2 * (np.arange(48) % 24)[:, None]
    way = np.stack((2.0 * np.arange(25), np.zeros(25)), axis=1)
    pictures = np.stack([wide[:, 2 * frame : 2 * frame + 64] for frame in range(25)])
    back = find_background(pictures, way, None)
    for frame in (0, 12, 24):
        inside = np.abs(back.at(frame, pictures[frame]).astype(int) - pictures[frame])[2:-2, 2:-2]
        assert inside.max() <= 2

"""One connected piece divided into what it is made of, and left whole if it is one thing."""

import numpy as np
import pytest

from framefall.tracking.splitting import ExpectedObject, is_halo, is_imprint, split_blob

WALL = np.full((48, 64, 3), (150, 155, 160), np.uint8)
RED, BLUE = (219, 41, 41), (41, 82, 219)
ROWS, COLUMNS = np.mgrid[:48, :64] + 0.5


def drawn(*discs: tuple[float, float, float, tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Discs over one another, and the pixels that they cover by half."""
    picture, piece = WALL.astype(float), np.zeros(WALL.shape[:2], bool)
    for x, y, radius, colour in discs:
        cover = np.clip(radius + 0.5 - np.hypot(COLUMNS - x, ROWS - y), 0, 1)
        picture += cover[..., None] * (np.array(colour) - picture)
        piece |= cover > 0.5
    return np.round(picture).astype(np.uint8), piece


def places(masks: list[np.ndarray]) -> list[tuple[float, float]]:
    return sorted((float(COLUMNS[mask].mean()), float(ROWS[mask].mean())) for mask in masks)


def test_a_single_disc_stays_whole() -> None:
    picture, piece = drawn((32, 24, 9, RED))
    (mask,) = split_blob(picture, WALL, piece, ())
    np.testing.assert_array_equal(mask, piece)


def test_two_colours_that_touch_are_two() -> None:
    picture, piece = drawn((24, 24, 8, RED), (40, 24, 8, BLUE))
    masks = split_blob(picture, WALL, piece, ())
    assert places(masks) == [pytest.approx((24, 24), abs=0.6), pytest.approx((40, 24), abs=0.6)]
    assert not (masks[0] & masks[1]).any() and (masks[0] | masks[1]).sum() > 0.95 * piece.sum()


def test_one_colour_is_divided_at_its_neck() -> None:
    picture, piece = drawn((23, 24, 8, RED), (39, 24, 8, RED))
    assert places(split_blob(picture, WALL, piece, ())) == [
        pytest.approx((23, 24), abs=0.6),
        pytest.approx((39, 24), abs=0.6),
    ]


def test_one_colour_without_a_neck_is_divided_between_those_that_are_expected() -> None:
    picture, piece = drawn((26, 24, 8, RED), (38, 24, 8, RED))
    expected = [ExpectedObject(26.0, 24.0, 8.0), ExpectedObject(38.0, 24.0, 8.0)]
    assert len(split_blob(picture, WALL, piece, expected)) == 2
    picture, piece = drawn((32, 24, 8, RED))  # the control: one disc is not divided between two
    assert (
        len(split_blob(picture, WALL, piece, [ExpectedObject(30.0, 24.0, 8.0), ExpectedObject(34.0, 24.0, 8.0)])) == 1
    )


def test_a_weak_part_of_a_difference_is_its_halo_and_its_faint_negative_an_imprint() -> None:
    strong = np.array([70.0, -110.0, -110.0])
    assert is_halo(0.3 * strong, strong) and not is_halo(0.9 * strong, strong)
    assert not is_halo(np.array([-60.0, 20.0, 60.0]), strong) and not is_halo(-0.3 * strong, strong)
    assert is_imprint(-0.15 * strong, strong)
    assert not is_imprint(0.15 * strong, strong) and not is_imprint(-0.9 * strong, strong)


def test_an_expected_object_is_seen_from_elsewhere_and_touches_windows() -> None:
    one = ExpectedObject(10.0, 20.0, 4.0)
    assert one.moved(-3, 2) == ExpectedObject(7.0, 22.0, 4.0)
    assert one.touches(13, 15, 30, 30) and not one.touches(15, 15, 30, 30)

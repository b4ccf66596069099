"""Screens in a picture without objects: wide, upright, and of another colour than their row."""

import numpy as np
import pytest

from framefall.tracking.colours import lab
from framefall.tracking.screens import find_screens

ROWS, COLUMNS = np.mgrid[:64, :64]
SCENE = np.stack((150 + ROWS // 2, 150 + ROWS // 2, 160 + COLUMNS // 32), axis=-1).astype(np.uint8)
SCENE[52:] = (90, 70, 50)  # a floor
BROWN = (115, 74, 43)


def with_board(left: int, right: int, top: int = 16, bottom: int = 52, colour: tuple[int, ...] = BROWN) -> np.ndarray:
    picture = SCENE.copy()
    picture[top:bottom, left:right] = colour
    return picture


@pytest.mark.parametrize("width", [4, 12, 28])
def test_a_screen_has_its_colour(width: int) -> None:
    found = find_screens(with_board(20, 20 + width))
    np.testing.assert_allclose(found, [lab(np.array(BROWN) / 255)], atol=1e-6)


def test_two_screens_are_told_from_the_left() -> None:
    picture = with_board(6, 14)
    picture[10:50, 40:52] = 8
    found = find_screens(picture)
    assert len(found) == 2 and found[0, 0] > found[1, 0]


@pytest.mark.parametrize(
    "picture",
    [SCENE, with_board(20, 22), with_board(20, 32, top=40, bottom=52), with_board(20, 32, colour=(165, 165, 160))],
    ids=["an empty scene with a floor", "a rod", "a low block", "what looks as what lies behind it"],
)
def test_what_is_no_screen_is_none(picture: np.ndarray) -> None:
    assert find_screens(picture).shape == (0, 3)

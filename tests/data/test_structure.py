"""Where things are in a video: known answers."""

from typing import get_args

import cv2
import numpy as np
import pytest

from framefall.cascade.tasks import StructureKind
from framefall.data.structure import EDGES, STRUCTURES, edges, moving


def square(frames: int, step: int = 0, colour: tuple[int, ...] = (200, 120, 30), ground: int = 40) -> np.ndarray:
    """A square of 10 pixels whose left column is 8 and then `step` more a frame."""
    pixels = np.full((frames, 32, 32, 3), ground, np.uint8)
    for frame in range(frames):
        pixels[frame, 10:20, 8 + step * frame : 18 + step * frame] = colour
    return pixels


@pytest.mark.parametrize("kind", STRUCTURES)
def test_every_kind_is_a_map_of_each_frame_that_a_task_can_name(kind: str) -> None:
    assert set(get_args(StructureKind)) == {"", *STRUCTURES}
    for channels in (1, 2, 3, 4):
        pixels = np.repeat(square(5, 2)[..., :1], channels, axis=3)
        found = STRUCTURES[kind](pixels)
        assert found.shape == (5, 32, 32) and found.dtype == np.float32
        assert set(np.unique(found)) == {0.0, 1.0}


def test_edges_are_where_a_square_ends_and_say_nothing_of_its_colour() -> None:
    found = edges(square(2, 3))
    for frame, left in enumerate((8, 11)):
        rows, columns = np.nonzero(found[frame])
        assert abs(rows.min() - 9.5) <= 1 and abs(rows.max() - 19.5) <= 1
        assert abs(columns.min() - (left - 0.5)) <= 1 and abs(columns.max() - (left + 9.5)) <= 1
        assert not found[frame, 13:17, left + 3 : left + 7].any()  # nor of what is inside it
    swapped = edges(square(2, 3, colour=(40, 40, 40), ground=200))
    apart = np.abs(found - swapped).sum() / found.sum()
    assert apart < 0.7  # lines may lie a pixel further in or out
    assert not edges(np.full((2, 32, 32, 3), 90, np.uint8)).any()  # the control


def test_a_colour_ends_on_grey_of_the_same_brightness() -> None:
    yellow = square(1, colour=(255, 255, 0), ground=226)
    assert not grey_edges(yellow).any()  # the control: of brightness alone
    rows, columns = np.nonzero(edges(yellow)[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((9.5, 19.5, 7.5, 17.5), abs=1)
    assert not edges(yellow)[0, 13:17, 11:15].any()


def test_edges_without_colour_are_those_of_brightness() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype(np.uint8).repeat(3, axis=3)
    assert np.array_equal(edges(pixels), grey_edges(pixels)) and edges(pixels).any()


def grey_edges(frames: np.ndarray) -> np.ndarray:
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return np.stack([cv2.Canny(one, *EDGES, L2gradient=True) for one in grey]).astype(np.float32) / 255.0


def test_what_moves_is_told_from_what_stands_still() -> None:
    ground = np.random.default_rng(0).integers(60, 90, (1, 32, 32, 3)).astype(np.uint8).repeat(7, axis=0)
    for frame in range(7):
        ground[frame, 20:26, 3 * frame : 3 * frame + 6] = (220, 30, 30)
    ground[:, 3:10, 20:30] = (30, 220, 30)
    found = moving(ground)
    for frame in range(7):
        truth = np.zeros((32, 32))
        truth[20:26, 3 * frame : 3 * frame + 6] = 1.0
        assert 2 * (found[frame] * truth).sum() / (found[frame].sum() + truth.sum()) > 0.9
    assert not found[:, :12].any() and edges(ground)[:, :12].any()  # which edges are not

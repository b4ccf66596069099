"""Mattes of single objects: exact places and areas, without rods, shadows or halos."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from framefall.tracking.colours import lab
from framefall.tracking.matte import find_blobs

Shoot = Callable[..., Any]


def test_a_rod_does_not_pull_its_bob(shoot: Shoot) -> None:
    """The rod is a part of the same connected piece; counted in, it shifts the centre by half a pixel and more."""
    shot = shoot("pendulum", 1, 128, frames=25)
    assert np.median(shot.errors(shot.tracks())) < 0.06


WALL = np.full((64, 64, 3), (150, 155, 160), np.uint8)


def disc(x: float, y: float, radius: float, colour: tuple[int, int, int], below: np.ndarray = WALL) -> np.ndarray:
    """An anti-aliased disc."""
    rows, columns = np.mgrid[:64, :64] + 0.5
    cover = np.clip(radius + 0.5 - np.hypot(columns - x, rows - y), 0, 1)[..., None]
    return np.round(below + cover * (np.array(colour) - below)).astype(np.uint8)


@pytest.mark.parametrize("place", [(30.0, 33.0), (30.37, 33.81)])
def test_a_disc_is_one_blob_where_it_is_as_large_as_it_is(place: tuple[float, float]) -> None:
    (blob,) = find_blobs(disc(*place, 7.0, (219, 41, 41)), WALL, 0.0)
    assert blob.position == pytest.approx(place, abs=0.02)
    assert blob.area == pytest.approx(np.pi * 49, rel=0.01) and blob.radius == pytest.approx(7.0, rel=0.005)
    assert blob.colour == pytest.approx(lab(np.array([219, 41, 41]) / 255), abs=2.0)
    assert (blob.cluster, blob.parts) == (1, 1)
    assert blob.box == pytest.approx((place[0] - 7, place[1] - 7, place[0] + 7, place[1] + 7), abs=1.0)


def test_moments_tell_a_disc_from_a_square_however_it_is_turned() -> None:
    def square(angle: float) -> np.ndarray:
        corners = (
            9.0
            * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
            @ [
                [np.cos(angle), np.sin(angle)],
                [-np.sin(angle), np.cos(angle)],
            ]
        )
        picture = cv2.fillPoly(np.zeros((512, 512), np.uint8), [np.round((corners + 32) * 8).astype(np.int32)], 255)
        cover = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)[..., None] / 255
        return np.round(WALL + cover * (np.array((219, 41, 41)) - WALL)).astype(np.uint8)

    shapes = [find_blobs(picture, WALL, 0.0)[0].shape for picture in (square(0.0), square(0.4))]
    (ball,) = find_blobs(disc(32, 32, 9, (219, 41, 41)), WALL, 0.0)
    assert np.linalg.norm(shapes[0] - shapes[1]) < 0.006
    assert np.linalg.norm(shapes[0] - ball.shape) > 0.012
    assert ball.shape[1:].max() < 0.003  # a disc is the same however it is folded


def test_noise_and_a_wall_alone_are_nothing() -> None:
    noisy = np.clip(WALL + np.random.default_rng(0).normal(0, 6, WALL.shape), 0, 255).astype(np.uint8)
    assert find_blobs(WALL, WALL, 0.0) == [] == find_blobs(noisy, WALL, 6.0)
    assert len(find_blobs(disc(32, 32, 7, (219, 41, 41), noisy), WALL, 6.0)) == 1


def test_discs_apart_are_two_and_a_thread_is_none() -> None:
    both = disc(44, 40, 6, (41, 82, 219), disc(20, 20, 8, (219, 41, 41)))
    found = sorted(find_blobs(both, WALL, 0.0), key=lambda blob: blob.position)
    assert [blob.radius for blob in found] == [pytest.approx(8, rel=0.01), pytest.approx(6, rel=0.01)]
    thread = WALL.copy()
    thread[10:50, 30] = (20, 20, 20)
    assert find_blobs(thread, WALL, 0.0) == []

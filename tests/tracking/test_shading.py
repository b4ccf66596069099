"""Shadows are no objects, and grey things on grey are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from framefall.tracking.shading import dot, find_shading, unshaded

Shoot = Callable[..., Any]


def test_a_shadow_is_no_part_of_an_object(shoot: Shoot) -> None:
    shot = shoot("light", 1, 64, frames=31)
    tracks = shot.tracks()
    (one,) = tracks.objects
    (body,) = shot.log.scene.bodies
    assert one.area / (np.pi * (64 * body.radius) ** 2) == pytest.approx(1.0, abs=0.03)
    assert np.median(shot.errors(tracks)) < 0.05


ROWS, COLUMNS = np.mgrid[:48, :48] + 0.5
WALL = np.broadcast_to(np.array([150, 155, 160], np.uint8), (48, 48, 3)).copy()
FAR = np.hypot(COLUMNS - 24, ROWS - 24)


def shaded(depth: float, soft: float) -> np.ndarray:
    """A round shadow that takes a share of the light, softly."""
    share = depth * np.clip((14 - FAR) / soft + 0.5, 0, 1)[..., None]
    return np.round(WALL * (1 - share)).astype(np.uint8)


def test_a_soft_shadow_is_shade_all_over() -> None:
    piece = FAR < 14
    found = find_shading(shaded(0.3, 12.0), WALL, piece)
    assert found is not None and found[piece].mean() > 0.9


def test_a_grey_thing_with_an_outline_on_grey_is_a_thing() -> None:
    assert find_shading(shaded(0.3, 1.0), WALL, FAR < 14) is None


def test_a_coloured_thing_has_no_shade_but_where_its_shadow_is() -> None:
    picture = shaded(0.3, 12.0)
    thing = np.hypot(COLUMNS - 18, ROWS - 24) < 6
    picture[thing] = (219, 41, 41)
    found = find_shading(picture, WALL, FAR < 14)
    assert found is not None
    assert found[thing].mean() < 0.05 and found[(FAR < 14) & ~thing].mean() > 0.8


def test_a_matte_before_a_shadow_is_told_from_the_shadow() -> None:
    back = WALL.astype(np.float32)
    cover, shadow = np.float32(0.6), np.float32(0.25)
    toward = np.array([219, 41, 41], np.float32) - back
    seen = back + cover * toward - shadow * back
    alpha = unshaded(seen - back, toward, back, dot(toward, toward))
    assert alpha == pytest.approx(np.full((48, 48), 0.6), abs=1e-3)
    plain = dot(seen - back, toward) / dot(toward, toward)  # the control: taken for the colour alone
    assert np.abs(plain - 0.6).min() > 0.05

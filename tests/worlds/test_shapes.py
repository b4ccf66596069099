"""Shapes of one radius have one area, lie around their centres of mass, and reach as far as geometry says."""

import math

import numpy as np
import pytest

from framefall.worlds.shapes import OUTLINES, SQUARE, TRIANGLE, extent, outline, reach

POLYGONS = [shape for shape in OUTLINES if len(OUTLINES[shape])]


def area_and_centroid(corners: np.ndarray) -> tuple[float, np.ndarray]:
    """By the shoelace formula."""
    after = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]
    return cross.sum() / 2, ((corners + after) * cross[:, None]).sum(axis=0) / (3 * cross.sum())


@pytest.mark.parametrize("shape", POLYGONS)
def test_a_polygon_has_the_area_of_its_disc_anticlockwise_about_its_centre(shape: str) -> None:
    area, centroid = area_and_centroid(outline(shape, 0.3))
    assert area == pytest.approx(math.pi * 0.3**2)
    np.testing.assert_allclose(centroid, 0.0, atol=1e-12)
    assert area_and_centroid(outline(shape, 0.3)[::-1])[0] < 0  # the control


def test_a_ball_has_no_corners_and_reaches_its_radius_everywhere() -> None:
    assert outline("ball", 0.2).shape == (0, 2)
    assert reach("ball", 0.2) == 0.2 == extent("ball", 0.2, (0.6, 0.8))


def test_extents_are_those_of_the_square_and_the_triangle() -> None:
    assert extent("box", 0.2, (1.0, 0.0)) == pytest.approx(0.2 * SQUARE)
    assert extent("diamond", 0.2, (1.0, 0.0)) == pytest.approx(0.2 * SQUARE * math.sqrt(2)) == reach("box", 0.2)
    assert extent("triangle", 0.2, (0.0, 1.0)) == pytest.approx(0.2 * TRIANGLE) == reach("triangle", 0.2)
    assert extent("triangle", 0.2, (0.0, -1.0)) == pytest.approx(0.1 * TRIANGLE)


@pytest.mark.parametrize("shape", OUTLINES)
def test_nothing_reaches_farther_than_its_reach(shape: str) -> None:
    ways = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 73)]
    found = [extent(shape, 1.0, way) for way in ways]
    assert max(found) == pytest.approx(reach(shape, 1.0), rel=0.002) and max(found) <= reach(shape, 1.0) + 1e-12

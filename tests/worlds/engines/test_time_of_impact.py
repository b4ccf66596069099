"""The first moment at which a point on a parabola enters a rounded convex polygon: closed forms and stepping."""

import math

import numpy as np
import pytest

from framefall.noise import Key
from framefall.worlds.engines.time_of_impact import first_crossing, minkowski_difference, time_of_impact

ORIGIN = ((0.0, 0.0),)
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
STILL = (0.0, 0.0)


@pytest.mark.parametrize(
    ("gap", "speed", "acceleration", "time"),
    [
        (1.0, -2.0, 0.0, 0.5),
        (1.0, 0.0, -2.0, 1.0),
        (1.0, 1.0, -4.0, 1.0),
        (1.0, 1.0, 0.0, math.inf),
        (1.0, -1.0, 2.0, math.inf),  # it turns back before
        (0.0, -1.0, 0.0, 0.0),
        (0.0, 1.0, -2.0, 1.0),
        (1.0, 0.0, 0.0, math.inf),
    ],
)
def test_the_first_fall_through_zero(gap: float, speed: float, acceleration: float, time: float) -> None:
    assert first_crossing(gap, speed, acceleration) == pytest.approx(time)


def test_two_discs_touch_when_their_centres_are_two_radii_apart() -> None:
    disc = minkowski_difference(ORIGIN, (), 0.2)
    found = time_of_impact(disc, (-1.0, 0.1), (0.5, 0.0), STILL, 10.0)
    assert found is not None and found[1] is not None
    assert found[0] == pytest.approx((1.0 - math.sqrt(0.2**2 - 0.1**2)) / 0.5)
    assert found[1] == pytest.approx((-math.sqrt(3) / 2, 0.5))
    assert time_of_impact(disc, (-1.0, 0.2001), (0.5, 0.0), STILL, 10.0) is None
    assert time_of_impact(disc, (-1.0, 0.1), (0.5, 0.0), STILL, 1.0) is None  # beyond the horizon
    assert time_of_impact(disc, (-1.0, 0.1), (-0.5, 0.0), STILL, 10.0) is None


def test_what_falls_on_an_edge_meets_it_after_the_square_root_of_twice_the_height() -> None:
    block = minkowski_difference(SQUARE, (), 0.1)
    found = time_of_impact(block, (0.5, 2.1), STILL, (0.0, -2.0), 10.0)
    assert found is not None
    assert found[0] == pytest.approx(1.0) and found[1] == (0.0, 1.0)
    # beside the block it falls past, and over its rounded corner it meets the rounding
    assert time_of_impact(block, (1.2, 2.1), STILL, (0.0, -2.0), 10.0) is None
    corner = time_of_impact(block, (1.06, 2.1), STILL, (0.0, -2.0), 10.0)
    assert corner is not None and corner[1] is not None
    assert corner[1] == pytest.approx((0.6, 0.8))
    assert corner[0] == pytest.approx(math.sqrt(2 * (2.1 - 1.08) / 2.0))


def test_a_sharp_corner_has_no_normal() -> None:
    block = minkowski_difference(SQUARE, (), 0.0)
    found = time_of_impact(block, (1.0, 2.0), (0.0, -1.0), STILL, 10.0)
    assert found == (1.0, None)
    assert time_of_impact(block, (0.9, 2.0), (0.0, -1.0), STILL, 10.0) == (1.0, (0.0, 1.0))


def test_the_difference_of_two_squares_is_a_square_of_both_sides() -> None:
    small = tuple((x - 0.5, y - 0.5) for x, y in SQUARE)
    both = minkowski_difference(SQUARE, small, 0.0)
    assert set(both.corners) == {(-0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (-0.5, 1.5)}
    assert [edge.length for edge in both.edges] == [2.0] * 4


@pytest.mark.parametrize(
    ("point", "gap"),
    [((0.5, 1.5), 0.4), ((0.5, 0.9), -0.2), ((1.3, 1.4), 0.4), ((0.5, 0.5), -0.6), ((-1.0, 0.5), 0.9)],
)
def test_the_gap_is_the_distance_and_below_zero_inside(point: tuple[float, float], gap: float) -> None:
    assert minkowski_difference(SQUARE, (), 0.1).gap(point) == pytest.approx(gap)


def test_no_stepping_finds_an_earlier_touch_nor_misses_one() -> None:
    """Of random parabolas: up to the moment found the gap is above zero, and there it is zero."""
    key, hits = Key(5, "impact"), 0
    what = minkowski_difference(((0.0, 0.0), (0.8, 0.1), (0.3, 0.7)), (), 0.15)
    for index in range(120):
        angle = 2 * math.pi * key.uniform(index, 0)
        p = (0.4 + 1.6 * math.cos(angle), 0.3 + 1.6 * math.sin(angle))
        v = (1.5 * (0.4 - p[0]) + key.uniform(index, 1) - 0.5, 1.5 * (0.3 - p[1]) + key.uniform(index, 2) - 0.5)
        a = (3 * key.uniform(index, 3) - 1.5, 3 * key.uniform(index, 4) - 1.5)
        found = time_of_impact(what, p, v, a, 2.0)
        end = 2.0 if found is None else found[0]
        times = np.linspace(0.0, end, 400)[:-1]
        gaps = [what.gap((p[0] + v[0] * t + a[0] * t * t / 2, p[1] + v[1] * t + a[1] * t * t / 2)) for t in times]
        assert min(gaps) > -1e-6, index
        if found is not None:
            hits += 1
            assert what.gap(tuple(p[i] + v[i] * end + a[i] * end**2 / 2 for i in (0, 1))) == pytest.approx(0, abs=1e-7)  # type: ignore[arg-type]
    assert 20 < hits < 120

"""Few knots give back many states: exactly as few as a curve needs, and within the tolerance everywhere."""

import math

import numpy as np
import pytest

from framefall.worlds.engines.knot_removal import needed_knots
from framefall.worlds.state import Track

COUNT = 721
TIMES = np.linspace(0.0, 2.0, COUNT)


def kept(value: np.ndarray, rate: np.ndarray, tolerance: float, jumps: np.ndarray | None = None) -> np.ndarray:
    """Of one body of which x alone moves."""
    values, rates = (np.zeros((1, COUNT, 3)) for _ in range(2))
    values[0, :, 0], rates[0, :, 0] = value, rate
    none = np.zeros((1, COUNT)) if jumps is None else jumps[None]
    return needed_knots(TIMES, values, rates, rates, none, np.full((1, 3), tolerance))[0]


def error(value: np.ndarray, rate: np.ndarray, keep: np.ndarray) -> float:
    """How far the track through the kept knots is from the states."""
    knots = [(float(TIMES[i]), float(value[i]), 0.0, float(rate[i]), 0.0, 0.0, 0.0) for i in np.flatnonzero(keep)]
    return float(np.abs(Track(tuple(knots)).at(TIMES).position[:, 0] - value).max())


def test_a_parabola_needs_its_two_ends_only() -> None:
    keep = kept(0.3 + TIMES - TIMES**2, 1 - 2 * TIMES, 1e-6)
    assert np.flatnonzero(keep).tolist() == [0, COUNT - 1]


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_a_wave_is_within_the_tolerance_and_a_tighter_one_needs_more(tolerance: float) -> None:
    value, rate = np.sin(5 * TIMES), 5 * np.cos(5 * TIMES)
    keep = kept(value, rate, tolerance)
    assert error(value, rate, keep) <= tolerance * (1 + 1e-6)
    # a cubic's error is h^4 / 384 of the fourth derivative; halving wastes a factor of two at most
    need = 2.0 / (384 * tolerance / 5**4) ** 0.25
    assert need <= keep.sum() <= 4 * need + 3
    assert keep.sum() < kept(value, rate, tolerance / 100).sum()
    without = keep.copy()  # the control: a knot in the middle is needed
    without[np.flatnonzero(keep)[len(np.flatnonzero(keep)) // 2]] = False
    assert error(value, rate, without) > tolerance


def test_an_infinite_jump_is_kept_in_any_case() -> None:
    jumps = np.zeros(COUNT)
    jumps[100] = math.inf
    keep = kept(TIMES.copy(), np.ones(COUNT), 1e-6, jumps)
    assert np.flatnonzero(keep).tolist() == [0, 100, COUNT - 1]


def test_bodies_do_not_mix() -> None:
    value, rate = np.sin(5 * TIMES), 5 * np.cos(5 * TIMES)
    values, rates = (np.zeros((2, COUNT, 3)) for _ in range(2))
    values[1, :, 0], rates[1, :, 0] = value, rate
    both = needed_knots(TIMES, values, rates, rates, np.zeros((2, COUNT)), np.full((2, 3), 1e-4))
    assert both[0].sum() == 2 and (both[1] == kept(value, rate, 1e-4)).all()

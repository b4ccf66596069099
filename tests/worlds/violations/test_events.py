"""When things happen in a log, against times that are known by hand."""

import math

import numpy as np
import pytest
from twins import hand_made

from framefall.worlds.violations.events import (
    blows,
    body_of,
    clearance,
    flights,
    hidden,
    is_hidden,
    is_seen,
    moving,
    slides,
    spans,
)


def test_the_hidden_time_is_what_geometry_says() -> None:
    # the left edge of the ball passes 0.35 at 0.31 / 0.35 s, its right edge reaches 0.65 at 0.49 / 0.35 s
    ((start, stop),) = hidden(hand_made("passage"), "a")
    assert start == pytest.approx(0.31 / 0.35, abs=1 / 120)
    assert stop == pytest.approx(0.49 / 0.35, abs=1 / 120)


def test_flights_blows_and_contacts_are_those_of_a_falling_ball() -> None:
    log = hand_made("fall")
    # from 0.85 to a radius above the floor with g = 1.5; then up again with 0.7 of the speed
    time = math.sqrt(2 * (0.85 - 0.06) / 1.5)
    first, second, *_ = flights(log, "a")
    assert first == pytest.approx((0.0, time), abs=1e-6)
    assert second == pytest.approx((time, time + 2 * 0.7 * 1.5 * time / 1.5), abs=1e-6)
    blow = next(iter(blows(log)))
    assert blow.time == pytest.approx(time, abs=1e-6)
    assert blow.after["a"][4] == pytest.approx(-0.7 * blow.before["a"][4])
    assert flights(hand_made("collision"), "a") == [] == flights(hand_made("pendulum"), "a")  # no gravity; a rod


def test_slides_are_told_from_flights_and_from_rest() -> None:
    ((start, stop),) = slides(hand_made("ramp"), "a")
    assert start == 0.0 and stop > 0.5
    assert slides(hand_made("fall"), "a") == []
    assert moving(hand_made("passage"), "a") == [pytest.approx((0.0, 2.5), abs=1 / 60)]


def test_a_body_is_seen_while_its_centre_is_in_the_picture_and_not_hidden() -> None:
    log = hand_made("passage")
    # 0.1 + 0.35 t: hidden from 0.886 to 1.4 s; its centre leaves the picture after 2.57 s
    assert is_seen(log, "a", np.array([0.0, 0.8, 1.1, 1.5, 2.5, 2.6])).tolist() == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert is_hidden(log, "a", np.array([0.8, 1.1])).tolist() == [False, True]


def test_spans_are_runs_of_flags() -> None:
    flags = np.array([True, True, False, True, False, True, True, True])
    assert spans(np.arange(8) / 2, flags) == [(0.0, 0.5), (1.5, 1.5), (2.5, 3.5)]
    assert spans(np.arange(8) / 2, flags, 1.0) == [(2.5, 3.5)]
    assert spans(np.arange(2) / 2, np.zeros(2, bool)) == []


def test_clearance_is_the_room_to_the_nearest_neighbour_or_side() -> None:
    log = hand_made("collision")  # a of 0.08 at (0.2, 0.5), b of 0.06 at (0.7, 0.52)
    assert clearance(log, 0.0, "a", np.array([0.5, 0.52])) == pytest.approx(0.2 - 0.14)
    assert clearance(log, 0.0, "a", np.array([0.1, 0.5])) == pytest.approx(0.02)
    assert clearance(log, 0.0, "a", np.array([0.65, 0.5])) < 0
    assert body_of(log, "b").radius == 0.06

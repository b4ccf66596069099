"""The log is exact at any moment: parabolas, blows, turns, appearances; and it survives its file."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand_made import body, log_of

from framefall.worlds.state import VERSION, Appearance, Contact, StateLog, Track, frame_times, from_json, to_json

G = 2.0
# thrown up, and struck at 0.4 s: two knots at one moment
FLIGHT = Track(
    (
        (0.0, 0.1, 0.2, 0.3, 0.5, 0.0, 1.0),
        (0.4, 0.22, 0.24, 0.3, -0.3, 0.4, 1.0),
        (0.4, 0.22, 0.24, -0.3, 0.3, 0.4, -2.0),
        (1.0, 0.04, 0.06, -0.3, -0.9, -0.8, -2.0),
    )
)


def test_free_flight_is_the_parabola_to_rounding() -> None:
    times = np.linspace(0.0, 0.399, 50)
    state = FLIGHT.at(times)
    exact = np.stack((0.1 + 0.3 * times, 0.2 + 0.5 * times - 0.5 * G * times**2), axis=1)
    np.testing.assert_allclose(state.position, exact, atol=1e-12)
    np.testing.assert_allclose(state.velocity[:, 1], 0.5 - G * times, atol=1e-12)
    np.testing.assert_allclose(state.rotation[:, 0], times, atol=1e-12)
    straight = 0.2 + (0.24 - 0.2) * times / 0.4  # the control: no curve between the knots
    assert np.abs(state.position[:, 1] - straight).max() > 0.03


def test_of_two_knots_at_one_moment_the_later_one_holds() -> None:
    assert FLIGHT.at(np.array([0.4])).velocity[0].tolist() == [-0.3, 0.3]
    assert FLIGHT.at(np.array([0.4 - 1e-9])).velocity[0] == pytest.approx([0.3, -0.3])
    assert FLIGHT.before(0.4)[3:5] == (0.3, -0.3) and FLIGHT.knot(0.4)[3:5] == (-0.3, 0.3)


def test_before_the_first_and_after_the_last_knot_it_moves_on_evenly() -> None:
    early, late = FLIGHT.at(np.array([-1.0, 2.0])).position
    assert early == pytest.approx([0.1 - 0.3, 0.2 - 0.5]) and late == pytest.approx([0.04 - 0.3, 0.06 - 0.9])


@pytest.mark.parametrize("time", [0.2, 0.4, 0.7])
def test_a_track_cut_in_two_is_the_track(time: float) -> None:
    first, then = FLIGHT.until(time), FLIGHT.since(time)
    assert first.knots[-1][0] == then.knots[0][0] == time
    before, after = np.linspace(0, time - 1e-6, 20), np.linspace(time, 1.0, 20)
    np.testing.assert_allclose(first.at(before).position, FLIGHT.at(before).position, atol=1e-12)
    np.testing.assert_allclose(then.at(after).velocity, FLIGHT.at(after).velocity, atol=1e-9)
    if time == 0.4:  # the blow is in the second part
        assert first.knots[-1][3:5] == (0.3, -0.3) and then.knots[0][3:5] == (-0.3, 0.3)


def test_with_depth_turns_go_the_short_way_at_an_even_rate() -> None:
    half = math.sqrt(0.5)
    still = (0.0,) * 6
    quarter = Track(((0.0, *still, 1.0, *(0.0,) * 6), (1.0, *still, half, half, *(0.0,) * 5)))
    opposite = Track((quarter.knots[0], (1.0, *still, -half, -half, *(0.0,) * 5)))  # the same turn
    for track in (quarter, opposite):
        turns = track.at(np.array([0.0, 1 / 3, 1.0])).rotation
        np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1.0)
        assert 2 * math.acos(turns[1, 0]) == pytest.approx(math.pi / 6)


@pytest.mark.parametrize(
    ("knots", "sentence"),
    [
        ((), "knots of 7 numbers"),
        (((0.0,) * 6,), "knots of 7 numbers"),
        (((0.0,) * 7, (1.0,) * 14), "knots of 7 numbers"),
        (((1.0,) * 7, (0.0,) * 7), "in the order of time"),
        (((0.0, *(math.nan,) * 6),), "must be finite"),
    ],
)
def test_what_is_no_track_is_refused(knots: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Track(knots)


LOG = replace(
    log_of(body(), looks={"one": (Appearance(1.0, "blue", "box", 0.05), Appearance(2.0, "blue", "box", 0.05, False))}),
    contacts=(Contact(0.5, "one", "floor", 0.25),),
)


def test_a_log_survives_its_file() -> None:
    assert from_json(to_json(LOG)) == LOG
    assert "\n" not in to_json(LOG)
    with pytest.raises(ValueError, match=f"version {VERSION + 1}, and version {VERSION} can be read"):
        from_json(to_json(LOG).replace(f'"version":{VERSION}', f'"version":{VERSION + 1}'))
    with pytest.raises(ValueError, match="state log"):
        from_json("{}")


def test_a_log_has_one_track_a_body() -> None:
    with pytest.raises(ValueError, match=r"one track a body, got tracks of \[\] for \['one'\]"):
        StateLog(scene=LOG.scene, tracks={})


def test_a_body_appears_as_it_began_until_its_appearance_changes() -> None:
    first, second, third = LOG.appearances_at("one", np.array([0.999, 1.0, 2.0]))
    assert (first.colour, first.shape, first.radius, first.shown) == ("red", "ball", 0.1, True)
    assert (second.colour, second.shape, second.radius) == ("blue", "box", 0.05)
    assert not third.shown
    with pytest.raises(ValueError, match="a known colour and shape and a radius above 0"):
        Appearance(0.0, "beige", "ball", 0.1)


def test_rounding_takes_two_machines_last_digits_away_and_nothing_else() -> None:
    knot = LOG.tracks["one"].knots[0]
    for wrong, alike in ((1e-9, True), (1e-6, False)):
        other = replace(LOG, tracks={"one": Track(((knot[0], knot[1] + wrong, *knot[2:]),))})
        assert other != LOG
        assert (other.rounded() == LOG.rounded()) == alike


def test_equal_moments_of_two_rates_are_equal_numbers() -> None:
    assert frame_times(61, 24.0)[::4].tolist() == frame_times(16, 6.0).tolist()
    assert frame_times(3, 24.0, start=5).tolist() == frame_times(8, 24.0)[5:].tolist()

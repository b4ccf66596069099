"""How a log goes on otherwise: what is not changed is the log, and seams join states."""

import numpy as np
import pytest
from twins import hand_made

from framefall.worlds.state import StateLog, Track
from framefall.worlds.violations.continuation import bodies_at, joined, middle, resumed, shifted, splice

TIMES = np.linspace(0.0, 2.5, 101)


def apart(one: StateLog, two: StateLog) -> float:
    return max(
        float(np.abs(one.tracks[n].at(TIMES).position - two.tracks[n].at(TIMES).position).max()) for n in one.tracks
    )


@pytest.mark.parametrize("name", ["fall", "collision", "passage", "pendulum"])
def test_a_log_resumed_under_its_own_laws_is_the_log(name: str) -> None:
    log = hand_made(name)
    again = splice(log, 0.6, *resumed(log, 0.6, bodies_at(log, 0.6)))
    assert apart(log, again) < 1e-5  # states are rounded to 1e-7, and grow apart after
    assert [c.second for c in again.contacts][:2] == [c.second for c in log.contacts][:2]
    if log.scene.gravity:  # the control: under another gravity it is not
        other = splice(log, 0.6, *resumed(log, 0.6, bodies_at(log, 0.6), gravity=1.1 * log.scene.gravity))
        assert apart(log, other) > 0.005
        before = (of.tracks["a"].at(TIMES[:24]).position for of in (other, log))
        np.testing.assert_allclose(*before, atol=1e-12)


def test_a_body_that_is_not_named_goes_on_as_it_did() -> None:
    log = hand_made("collision")
    still = Track(((1.0, 0.5, 0.9, 0.0, 0.0, 0.0, 0.0),))
    spliced = splice(log, 1.0, {"a": still})
    assert spliced.tracks["b"] == log.tracks["b"]
    assert spliced.tracks["a"].at(np.array([2.0])).position[0].tolist() == [0.5, 0.9]
    before = (of.tracks["a"].at(np.array([0.999])).position for of in (spliced, log))
    np.testing.assert_allclose(*before, atol=1e-9)
    assert all(contact.time < 1.0 for contact in spliced.contacts)


def test_a_seam_of_equal_states_leaves_one_knot_and_of_unlike_ones_two() -> None:
    track = hand_made("passage").tracks["a"]
    alike = joined(track, 1.0, track.since(1.0))
    assert sum(knot[0] == 1.0 for knot in alike.knots) == 1
    moved = joined(track, 1.0, Track(((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),)))
    assert sum(knot[0] == 1.0 for knot in moved.knots) == 2


def test_a_shifted_track_does_everything_later() -> None:
    track = hand_made("fall").tracks["a"]
    np.testing.assert_allclose(shifted(track, 0.5).at(TIMES + 0.5).position, track.at(TIMES).position, atol=1e-12)


def test_the_middle_of_a_run_keeps_off_the_clips_ends() -> None:
    log = hand_made("fall")
    (moment,) = middle(log, [(0.0, 2.5)], "a", 0.0, 1.0)
    assert (moment.start, moment.end) == (0.25, 0.75 * 2.5)
    assert middle(log, [(2.2, 2.5)], "a", 0.2, 0.5) == []


def test_what_its_own_engine_cannot_do_is_left_to_another() -> None:
    log = hand_made("fall")
    turned = {"a": bodies_at(log, 0.3)["a"]}
    boxed = {"a": type(turned["a"])(**{**vars(turned["a"]), "shape": "box", "spin": 2.0})}  # it will hit with a corner
    tracks, contacts = resumed(log, 0.3, boxed)
    assert contacts and np.ptp(tracks["a"].at(TIMES).rotation) > 0.5

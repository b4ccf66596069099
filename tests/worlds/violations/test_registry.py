"""Every violation's twin is the log to the last bit until its moment, and differs after it."""

from collections import Counter

import numpy as np
import pytest
import torch
from twins import drawn, hand_made, logs_with

from framefall.noise import Key
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.scene import rgb
from framefall.worlds.state import StateLog, from_json, to_json
from framefall.worlds.violations.events import body_of
from framefall.worlds.violations.registry import VIOLATIONS, applicable, break_physics, matched_pair


@pytest.mark.parametrize("strength", [0.25, 1.0])
@pytest.mark.parametrize("name", list(VIOLATIONS))
def test_twins_are_the_same_to_the_last_bit_until_the_violation_and_differ_after_it(name: str, strength: float) -> None:
    logs = logs_with(name)
    assert logs, "no scenario has it"
    for log in logs:
        valid, twin = matched_pair(log, name, Key(3, "test"), strength)
        assert (twin.violation, valid.violation) == (name, "")
        time = twin.violation_time
        assert time is not None and 0.05 * log.scene.seconds < time < 0.9 * log.scene.seconds
        before = np.append(np.arange(0.0, time, 1 / 240), time - 1e-9)
        after = np.linspace(time, log.scene.seconds, 100)[1:]
        differs = len(twin.tracks) - len(log.tracks)
        for body in log.tracks:
            one, two, drawn_one = (of.tracks[body].at(before) for of in (valid, twin, log))
            assert (one.position == two.position).all() and (one.velocity == two.velocity).all()
            assert (one.rotation == two.rotation).all() and (one.spin == two.spin).all()
            # the log itself has no knot at that moment, so it agrees to rounding only
            np.testing.assert_allclose(drawn_one.position, two.position, atol=1e-12)
            assert valid.appearances_at(body, before) == twin.appearances_at(body, before)
            moved = np.abs(valid.tracks[body].at(after).position - twin.tracks[body].at(after).position).max()
            # a picture of 256 has pixels of 0.004
            differs += moved > 0.004 or valid.appearances_at(body, after) != twin.appearances_at(body, after)
        assert differs
        extra = {body.name for body in twin.scene.bodies} - set(log.tracks)
        assert not any(look.shown for body in extra for look in twin.appearances_at(body, before))
        assert [c for c in twin.contacts if c.time < time] == [c for c in log.contacts if c.time < time]
        kept = {"bodies": None, "fixtures": None}
        assert {k: v for k, v in vars(twin.scene).items() if k not in kept} == {
            k: v for k, v in vars(log.scene).items() if k not in kept
        }
        assert twin.scene.fixtures == log.scene.fixtures and twin.scene.bodies[: len(log.tracks)] == log.scene.bodies
        assert from_json(to_json(twin)) == twin


@pytest.mark.parametrize("scenario", ["stack", "double_drop"])
def test_a_twin_with_two_seams_is_the_same_to_the_last_bit_until_the_first(scenario: str) -> None:
    def unlike(valid: StateLog, twin: StateLog) -> bool:
        assert twin.violation_time is not None
        before = np.arange(0.0, twin.violation_time, 1 / 240)
        return any(
            (valid.tracks[n].at(before).position != twin.tracks[n].at(before).position).any() for n in log.tracks
        )

    rounded = []
    logs = (drawn(scenario, index) for index in range(20))
    can = [log for log in logs if VIOLATIONS["float"].applies(log)]  # a stack that has toppled has nothing on top
    for log in can[:3]:  # a float that ends is one seam, and its end, where others are simulated anew, is another
        assert not unlike(*matched_pair(log, "float", Key(3, "test"), 0.25))
        rounded.append(unlike(log, break_physics(log, "float", Key(3, "test"), 0.25)))
    assert any(rounded)  # the control: without the common knots the last bits differ


@pytest.mark.parametrize("name", list(VIOLATIONS))
def test_frames_before_the_violation_are_the_same_pixels(name: str) -> None:
    valid, twin = matched_pair(logs_with(name)[0], name, Key(3, "test"))
    time, end = twin.violation_time, valid.scene.seconds
    assert time is not None
    before = [time - wait for wait in (1e-6, 0.04, 0.5 * time)]
    # what happens behind something is seen later; the last frame of a body that has left shows nothing
    after = [time + share * (end - time) for share in (0.1, 0.2, 0.35, 0.5, 0.75)]
    one, two = (
        render([log], [np.array(before + after)], View(24, round(24 * log.scene.width)))[0] for log in (valid, twin)
    )
    assert torch.equal(one[:, : len(before)], two[:, : len(before)])
    assert not torch.equal(one[:, len(before) :], two[:, len(before) :])


def test_a_twin_of_another_moment_is_not_the_same_until_then() -> None:
    valid, twin = matched_pair(hand_made("fall"), "gravity_half", Key(0, "test"))
    later = np.arange(0.0, twin.violation_time + 0.3, 1 / 240)
    assert (valid.tracks["a"].at(later).position != twin.tracks["a"].at(later).position).any()


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_every_scenario_has_violations(scenario: str) -> None:
    indices = range(1 if scenario == "pour" else 2)
    found = Counter(name for index in indices for name in applicable(drawn(scenario, index)))
    assert len(found) >= 8
    assert "teleport" in found


def test_the_same_key_gives_the_same_twin_and_another_key_another() -> None:
    log = drawn("fall", 0)
    twins = [break_physics(log, "teleport", Key(seed, "test")) for seed in (0, 0, 1)]
    assert twins[0] == twins[1] != twins[2]


@pytest.mark.parametrize("name", [name for name, violation in VIOLATIONS.items() if violation.scales])
def test_more_strength_is_more_wrong(name: str) -> None:
    log = logs_with(name)[0]
    sizes = []
    for strength in (0.25, 0.5, 1.0):
        twin = break_physics(log, name, Key(1, "test"), strength)
        assert twin.violation_time is not None
        times = twin.violation_time + np.linspace(0.0, 0.5 * min(0.5, log.scene.seconds - twin.violation_time), 60)
        size = 0.0
        for body in log.tracks:
            size += float(np.abs(twin.tracks[body].at(times).position - log.tracks[body].at(times).position).mean())
            size += float(np.abs(twin.tracks[body].at(times).velocity - log.tracks[body].at(times).velocity).mean())
            radius = body_of(log, body).radius
            later = np.linspace(twin.violation_time, log.scene.seconds, 400)
            looks = twin.appearances_at(body, later)
            size += sum(abs(np.log(look.radius / radius)) + (not look.shown) for look in looks) / 400
            colours = {look.colour for look in looks if look.colour.startswith("#")}
            size += max((colour_distance(body_of(log, body).colour, colour) for colour in colours), default=0.0)
        sizes.append(size)
    if name == "float":  # it hangs as still, but for longer
        times = np.linspace(0.0, log.scene.seconds, 200)
        still = [
            sum(
                float((np.linalg.norm(track.at(times).velocity, axis=1) < 1e-9).mean())
                for track in break_physics(log, name, Key(1, "test"), strength).tracks.values()
            )
            for strength in (0.25, 0.5, 1.0)
        ]
        sizes = still
    assert sizes[0] < sizes[2] and sizes[0] <= sizes[1] <= sizes[2] and sizes[0] > 0


def colour_distance(name: str, other: str) -> float:
    return float(np.linalg.norm(np.subtract(rgb(name), rgb(other))))


def test_what_makes_no_sense_is_refused_in_one_sentence() -> None:
    log = hand_made("fall")
    with pytest.raises(ValueError, match="momentum_break makes no sense in this scene of hand; it can have teleport"):
        break_physics(log, "momentum_break", Key(0, "test"))
    with pytest.raises(ValueError, match=r"must be one of teleport.*got 'levitate'"):
        break_physics(log, "levitate", Key(0, "test"))
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        break_physics(log, "vanish", Key(0, "test"), 0.0)
    with pytest.raises(ValueError, match="broken once"):
        break_physics(break_physics(log, "vanish", Key(0, "test")), "vanish", Key(0, "test"))

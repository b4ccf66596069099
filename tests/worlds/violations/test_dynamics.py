"""Laws of motion that fail in a twin, by as much as is said, and hold in the log itself."""

import numpy as np
import pytest
from twins import acceleration, broken, drawn, momentum

from framefall.noise import Key
from framefall.worlds.state import StateLog
from framefall.worlds.violations.events import blows, flights
from framefall.worlds.violations.registry import break_physics


@pytest.mark.parametrize(
    ("name", "strength", "factor"),
    [
        ("gravity_half", 1.0, 0.5),
        ("gravity_half", 0.5, 0.75),
        ("gravity_zero", 1.0, 0.0),
        ("gravity_double", 1.0, 2.0),
        ("gravity_flip", 1.0, -1.0),
    ],
)
def test_gravity_is_what_it_is_said_to_be(name: str, strength: float, factor: float) -> None:
    log, twin, time = broken("fall", name, strength)
    end = next((c.time for c in twin.contacts if c.time > time), time + 0.3)
    # knots are rounded to 1e-7, over a tenth of a second that is 1e-5 of an acceleration
    assert acceleration(twin, "a", time, min(end, time + 0.3))[1] == pytest.approx(-1.5 * factor, abs=1e-3)
    # and the control: the valid twin falls as it must
    start, stop = next(span for span in flights(log, "a") if span[0] <= time <= span[1])
    assert acceleration(log, "a", start, stop)[1] == pytest.approx(-1.5, abs=1e-3)


def test_a_linear_fall_is_straight_and_ends_where_the_fall_ended() -> None:
    log, twin, time = broken("fall", "linear_fall")
    end = next(stop for start, stop in flights(log, "a") if start <= time <= stop)
    np.testing.assert_allclose(acceleration(twin, "a", time, end), 0.0, atol=1e-6)
    later = np.linspace(end, log.scene.seconds, 40)
    np.testing.assert_allclose(twin.tracks["a"].at(later).position, log.tracks["a"].at(later).position, atol=1e-9)


def test_a_superball_gains_speed_in_every_bounce_and_a_reversed_bounce_gives_back_what_it_lost() -> None:
    def ratios(twin: StateLog, time: float) -> list[float]:
        found = [b for b in blows(twin) if b.time >= time]
        return [-b.after["a"][4] / b.before["a"][4] for b in found]

    _, twin, time = broken("fall", "superball")
    assert len(ratios(twin, time)) > 0
    np.testing.assert_allclose(ratios(twin, time), 1.35, rtol=1e-4)
    log, twin, time = broken("fall", "reversed_bounce")
    assert ratios(twin, time)[0] == pytest.approx(1 / 0.7, rel=1e-4)
    np.testing.assert_allclose(ratios(twin, time)[1:], 0.7, rtol=1e-4)
    np.testing.assert_allclose(ratios(log, 0.0)[:2], 0.7, rtol=1e-4)


def test_momentum_is_kept_in_a_collision_and_broken_in_its_twin() -> None:
    log, twin, time = broken("collision", "momentum_break")
    size = np.linalg.norm(momentum(log, 0.0))
    np.testing.assert_allclose(momentum(log, time + 0.1), momentum(log, time - 0.1), atol=1e-6)
    assert np.linalg.norm(momentum(twin, time + 0.1) - momentum(twin, time - 0.1)) > 0.1 * size
    # a superball keeps it: both bodies get the same push
    _, super_twin, _ = broken("collision", "superball")
    np.testing.assert_allclose(momentum(super_twin, time + 0.1), momentum(log, time), atol=1e-6)


def test_what_passes_through_keeps_its_velocity_and_overlaps() -> None:
    log, twin, time = broken("collision", "pass_through")
    times = np.linspace(time, time + 0.5, 60)
    for name in ("a", "b"):
        track = twin.tracks[name].at(times)
        np.testing.assert_allclose(
            track.velocity, np.broadcast_to(log.tracks[name].before(time)[3:5], (60, 2)), atol=1e-6
        )

    def gap(of: StateLog) -> float:
        apart = of.tracks["a"].at(times).position - of.tracks["b"].at(times).position
        return float(np.linalg.norm(apart, axis=1).min()) - 0.14

    assert gap(twin) < -0.05
    assert gap(log) > -1e-6
    _, twin, time = broken("fall", "pass_through")
    assert twin.tracks["a"].knot(time + 0.4)[2] < 0


def test_two_bodies_merge_into_one_of_both_areas_with_the_same_momentum() -> None:
    log, twin, time = broken("collision", "merge")
    shown = [name for name in twin.tracks if twin.appearances_at(name, np.array([time + 0.1]))[0].shown]
    assert shown == ["a"]  # the heavier
    look = twin.appearances_at("a", np.array([time + 0.1]))[0]
    assert look.radius**2 == pytest.approx(0.08**2 + 0.06**2)
    velocity = twin.tracks["a"].at(np.array([time + 0.1])).velocity[0]
    np.testing.assert_allclose(look.radius**2 * velocity, momentum(log, time), atol=1e-6)


def test_a_pendulum_gains_energy_and_keeps_its_rod() -> None:
    log, twin, time = broken("pendulum", "energy_injection")
    times = np.linspace(time + 0.01, log.scene.seconds, 50)

    def energy(of: StateLog) -> np.ndarray:
        state = of.tracks["a"].at(times)
        return (state.velocity**2).sum(axis=1) / 2 + 2.0 * state.position[:, 1]

    kinetic = sum(v * v for v in log.tracks["a"].before(time)[3:5]) / 2
    np.testing.assert_allclose(energy(twin) - energy(log), (1.6**2 - 1) * kinetic, rtol=1e-3)
    rod = np.linalg.norm(twin.tracks["a"].at(times).position - (0.5, 0.95), axis=1)
    np.testing.assert_allclose(rod, np.hypot(0.25, 0.35), atol=1e-5)


def test_a_wrong_slide_gains_speed_two_and_a_half_times_too_fast_along_the_same_slope() -> None:
    log, twin, time = broken("ramp", "wrong_slide")
    right, wrong = (acceleration(of, "a", time, time + 0.1) for of in (log, twin))
    np.testing.assert_allclose(wrong, 2.5 * right, rtol=1e-3)
    slope = np.arctan2(1.2, 3.0)
    assert np.linalg.norm(right) == pytest.approx(2.0 * np.sin(slope), rel=1e-3)


def test_a_body_hangs_in_the_air_for_as_long_as_the_strength_says() -> None:
    log, twin, time = broken("fall", "float")
    later = np.linspace(time + 0.01, log.scene.seconds, 30)
    assert np.ptp(twin.tracks["a"].at(later).position, axis=0).max() < 1e-9
    _, half, time = broken("fall", "float", 0.5)
    until = time + 0.5 * (log.scene.seconds - time)
    assert half.tracks["a"].knot(until - 0.01)[2] == pytest.approx(half.tracks["a"].knot(time)[2])
    assert half.tracks["a"].knot(until + 0.3)[2] < half.tracks["a"].knot(time)[2] - 0.05


def test_the_top_of_a_standing_stack_floats_off_its_support() -> None:
    log = next(log for log in (drawn("stack", i) for i in range(6)) if log.scene.attributes.outcome == "stands")
    twin = break_physics(log, "float", Key(0, "test"))
    moved = [n for n in log.tracks if abs(twin.tracks[n].knot(2.4)[1] - log.tracks[n].knot(2.4)[1]) > 0.1]
    assert len(moved) == 1
    assert twin.tracks[moved[0]].knot(2.4)[2] == pytest.approx(log.tracks[moved[0]].knot(2.4)[2], abs=1e-3)

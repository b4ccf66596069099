"""Bodies that do in plain view what bodies cannot: each twin changes what it says, and nothing else."""

import numpy as np
import pytest
from twins import broken

from framefall.worlds.state import frame_times


def test_what_vanishes_never_comes_back_and_what_blinks_does() -> None:
    for name in ("vanish", "hidden_vanish"):
        log, twin, time = broken("passage", name)
        looks = twin.appearances_at("a", np.linspace(time, log.scene.seconds, 200))
        assert not any(look.shown for look in looks)
    log, twin, time = broken("fall", "blink")
    shown = [look.shown for look in twin.appearances_at("a", time + np.array([0.0, 0.49, 0.51, 1.0]))]
    assert shown == [False, False, True, True]


@pytest.mark.parametrize(("fps", "strength"), [(6.0, 1.0), (12.0, 0.5), (24.0, 0.25)])
def test_a_blink_lasts_three_frames_of_the_rate_that_its_strength_is_for(fps: float, strength: float) -> None:
    log, twin, _ = broken("fall", "blink", strength)
    times = frame_times(round(log.scene.seconds * fps) + 1, fps)
    assert sum(not look.shown for look in twin.appearances_at("a", times)) == 3
    assert all(look.shown for look in log.appearances_at("a", times))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("colour_switch", {"colour"}),
        ("hidden_colour", {"colour"}),
        ("shape_switch", {"shape"}),
        ("hidden_shape", {"shape"}),
        ("colour_drift", {"colour"}),
        ("size_drift", {"radius"}),
    ],
)
def test_a_switch_and_a_drift_change_one_property_alone(name: str, changes: set[str]) -> None:
    log, twin, time = broken("passage", name)
    assert twin.tracks == log.tracks
    ends = np.array([time - 0.01, log.scene.seconds])
    first, last = twin.appearances_at("a", ends)
    assert {
        key for key in ("colour", "shape", "radius", "shown") if getattr(first, key) != getattr(last, key)
    } == changes
    steps = twin.appearances_at("a", np.linspace(time, log.scene.seconds, 300))
    assert (len(set(steps)) > 5) == name.endswith("drift")


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_a_teleport_is_a_jump_of_one_and_a_half_diameters_at_full_strength(strength: float) -> None:
    log, twin, time = broken("fall", "teleport", strength)
    jump = np.subtract(twin.tracks["a"].knot(time)[1:3], log.tracks["a"].before(time)[1:3])
    assert np.linalg.norm(jump) == pytest.approx(1.5 * 0.12 * strength, rel=1e-5)
    np.testing.assert_allclose(twin.tracks["a"].knot(time)[3:5], log.tracks["a"].before(time)[3:5], atol=1e-6)


def test_a_duplicate_appears_beside_and_behaves_like_the_first() -> None:
    log, twin, time = broken("fall", "duplicate")
    times = np.array([time - 0.01, time, log.scene.seconds])
    assert [look.shown for look in twin.appearances_at("a-copy", times)] == [False, True, True]
    first, second = (twin.tracks[name].knot(time + 0.05) for name in ("a", "a-copy"))
    assert abs(first[2] - second[2]) < 1e-6 and abs(first[1] - second[1]) > 0.12

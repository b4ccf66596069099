"""What goes wrong behind an occluder goes wrong while nobody sees it."""

import numpy as np
import pytest
from twins import broken

from framefall.worlds.violations.events import is_hidden, is_seen
from framefall.worlds.violations.registry import VIOLATIONS


@pytest.mark.parametrize("name", [name for name, violation in VIOLATIONS.items() if violation.group == "occluder"])
def test_an_occluder_hides_the_moment_of_the_violation(name: str) -> None:
    log, twin, time = broken("passage", name)
    if name == "unentered":  # the other one is hidden when it appears, and the first has not been yet
        assert is_hidden(twin, "a-copy", np.array([time])).all()
        assert not is_hidden(log, "a", np.linspace(0, time, 50)).any()
        assert is_seen(twin, "a-copy", np.array([time + 0.6])).all()
    else:
        assert is_hidden(log, "a", np.array([time])).all()
        assert is_hidden(twin, "a", np.array([time])).all()
    # the control: a violation in plain view is not
    _, _, when = broken("passage", "colour_switch")
    assert not is_hidden(log, "a", np.array([when])).any()


def test_an_exit_is_late_elsewhere_or_on_the_wrong_side() -> None:
    log, twin, time = broken("passage", "exit_late")
    later = np.linspace(time + 0.5, log.scene.seconds, 20)
    np.testing.assert_allclose(twin.tracks["a"].at(later).position, log.tracks["a"].at(later - 0.5).position, atol=1e-6)
    log, twin, time = broken("passage", "other_height")
    up = twin.tracks["a"].at(later).position - log.tracks["a"].at(later).position
    np.testing.assert_allclose(np.abs(up), np.broadcast_to((0.0, 1.5 * 0.12), (20, 2)), atol=1e-6)
    log, twin, time = broken("passage", "reverse_behind")
    mirrored = log.tracks["a"].at(2 * time - later[later < 2 * time]).position
    np.testing.assert_allclose(twin.tracks["a"].at(later[later < 2 * time]).position, mirrored, atol=1e-6)

"""What is promised: every damage has a scene and a promise, and every promise a metric."""

from framefall.evaluate.certify.bands import BANDS, SCENE, WHERE
from framefall.evaluate.metrics.suite import METRICS
from framefall.physics.laws import LAWS
from framefall.worlds.damage.corruptions import CORRUPTIONS
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.violations.registry import VIOLATIONS


def test_every_damage_has_a_scene() -> None:
    assert set(WHERE) == {*VIOLATIONS, *CORRUPTIONS, "independent"}
    assert set(WHERE.values()) <= set(SCENARIOS)


def test_every_damage_has_a_promise_but_the_one_that_is_physical() -> None:
    assert {damage for damage, _ in BANDS} == set(WHERE) - {"reverse"}  # reversed, these scenes are physical


def test_every_promise_is_a_metrics_or_a_laws() -> None:
    laws = {name + SCENE for name, law in LAWS.items() if law.needs in ("video", "state")}
    assert {metric for _, metric in BANDS} <= METRICS.keys() | laws
    assert set(BANDS.values()) == {"must_detect"}

"""The plan's own bench: at least eight configurations, and errors that are errors."""

import pytest

from framefall.bench import plan
from framefall.bench.plan import CONFIGURATIONS, compared, plan_bench
from framefall.config import override
from framefall.runs.training.train import named


def test_there_are_at_least_eight_configurations_and_each_is_one() -> None:
    assert len(set(CONFIGURATIONS)) == len(CONFIGURATIONS) >= 8
    for name, stage, settings in CONFIGURATIONS:
        assert stage in override(named(name), list(settings)).stages


@pytest.mark.slow
def test_an_error_is_the_distance_of_the_plan_from_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(named("micro"), "base")
    assert found["time_error"] == pytest.approx(abs(found["planned_ms"] / found["measured_ms"] - 1))
    assert found["measured_ms"] > 0
    monkeypatch.setattr(plan, "CONFIGURATIONS", [("micro", "base", ("stages.base.batch=4",))])
    monkeypatch.setattr(plan, "measured", lambda recipe, name: (1000.0, 1 << 40))  # what no plan says
    wrong = plan_bench(1)["results"]["median_error"]
    assert wrong["time"] > 0.9 and wrong["memory"] > 0.9

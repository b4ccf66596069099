import importlib.util

import pytest

from framefall.cascade.checkpoint import load_cascade
from framefall.models.engine import Engine
from framefall.runs.generate import accelerate


def test_only_what_is_asked_several_times_is_worth_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # as if it were installed: nothing is run here
    given = load_cascade("pico")
    engines = {stage.name: isinstance(stage.backbone, Engine) for stage in accelerate(given).stages}
    assert engines == {stage.name: stage.config.best.steps > 2 for stage in given.stages}
    assert engines["base"] and not engines["spatial_sr"]


def test_without_an_engine_a_cascade_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    given = load_cascade("pico")
    for before, after in zip(given.stages, accelerate(given).stages, strict=True):
        assert after.backbone is before.backbone

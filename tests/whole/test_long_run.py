"""The training that takes days: started, looked at, stopped, gone on with, and its weights taken into a package."""

import importlib.util
import json
import time
from pathlib import Path
from types import ModuleType

import pytest

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.runs.training.export import export

PATH = Path(__file__).parents[2] / "scripts" / "long_run.py"


@pytest.fixture
def long_run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, set to a toy that trains in seconds."""
    spec = importlib.util.spec_from_file_location("long_run", PATH)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, value in {
        "SOURCE": "fall:6",
        "FIRST": "fall:6",
        "RECIPE": "micro",
        "IDLE": False,  # a busy machine would starve it
        "SETTINGS": ("save_every=1", "strip_minutes=1000"),
        "BEGUN": ("data.size=32",),
    }.items():
        monkeypatch.setattr(script, name, value)
    return script


def seen(home: Path, script: ModuleType) -> list[int]:
    log = script.run_folder(home) / "log.jsonl"
    return [json.loads(line)["step"] for line in log.read_text().splitlines()] if log.exists() else []


def wait(home: Path, script: ModuleType, step: int) -> None:
    for _ in range(900):
        if seen(home, script)[-1:] >= [step] and len(list((script.run_folder(home) / "checkpoints").glob("0*"))) > 1:
            return
        assert script.running(home), (home / "output.txt").read_text()
        time.sleep(0.1)
    raise AssertionError((home / "output.txt").read_text())


def newest(home: Path, script: ModuleType) -> int:
    """The step of the newest checkpoint."""
    return int(max((script.run_folder(home) / "checkpoints").glob("0*")).name)


def cooled(home: Path, script: ModuleType) -> int:
    """The last step of a run that is cooled down, which ends by itself."""
    script.cool(home)
    for _ in range(900):
        if script.running(home) is None:
            return newest(home, script)
        time.sleep(0.1)
    raise AssertionError((home / "output.txt").read_text())


@pytest.mark.slow
def test_a_long_run_starts_stops_goes_on_and_gives_its_weights(
    long_run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "long"
    monkeypatch.setattr(long_run, "SHIPPED", tmp_path / "nothing")
    assert long_run.running(home) is None and long_run.status(home) == "no step has been done yet"
    try:
        long_run.start(home)
        wait(home, long_run, 3)
        assert long_run.stop(home) and long_run.running(home) is None and not long_run.stop(home)
        first = seen(home, long_run)
        assert first[:3] == [1, 2, 3] and "--resume" in long_run.command(home)
        before = newest(home, long_run)
        assert cooled(home, long_run) == before + max(1, before // 4)
        assert f"{4 * seen(home, long_run)[-1]:,} clips in" in long_run.status(home)
        log = long_run.run_folder(home) / "log.jsonl"
        with open(log, "a") as lines:
            lines.write('{"step": 2, "held_out_loss": 0.5, "trend": "still sinking"}\n')
        assert "held-out loss 0.5000 at step 2, still sinking" in long_run.status(home)
    finally:
        long_run.stop(home)
    assert seen(home, long_run)[len(first)] > 1  # it went on, and did not begin again
    shipped = tmp_path / "package" / "worlds"
    totals = tmp_path / "totals.json"
    totals.write_text('{"temporal_sr": {"clips": 10, "minutes": 1}}')  # of another stage's run
    (home / long_run.BEFORE).write_text('{"clips": 1000, "minutes": 90}')  # of the weights that it began with
    line = long_run.weights(home, "base", shipped, totals)
    clips = json.loads(totals.read_text())["base"]["clips"]
    assert json.loads(totals.read_text())["temporal_sr"] == {"clips": 10, "minutes": 1}
    assert clips > 1000 and clips % 4 == 0 and f"has seen {clips:,} clips in" in line
    published = load_cascade(shipped)
    assert [stage.name for stage in published.stages] == ["base"] and published.card is not None
    card = published.card.stages["base"]
    assert list(card.scenes) == ["fall"] and card.seen == clips and set(long_run.FAILURES["base"]) <= set(card.failures)
    monkeypatch.setattr(long_run, "SHIPPED", shipped)
    assert long_run.command(tmp_path / "another")[-2:] == ["--init", str(shipped)]  # a clean clone begins with these
    long_run.anew(home)
    assert "--init" in long_run.command(home)


def test_the_long_run_is_of_a_recipe_and_settings_that_there_are(trained: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("long_run", PATH)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    from framefall.config import override
    from framefall.recipes.registry import RECIPES
    from framefall.worlds.world import open_world

    recipe = override(RECIPES[script.RECIPE](), list(script.SETTINGS))
    assert script.STAGE in recipe.stages and set(script.FAILURES) <= set(recipe.stages)
    assert len({script.home_of(stage) for stage in recipe.stages}) == len(recipe.stages)
    assert "temporal_sr" in script.command(tmp_path, "temporal_sr")
    for stage in recipe.stages:
        assert open_world(script.source_of(stage)).size == 60_000
    assert export(trained.with_name("toy.training") / "base", tmp_path / "m").stage == script.STAGE

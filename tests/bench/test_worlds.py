"""The world benchmark on one scenario, with a toy cascade that goes on from given frames."""

from dataclasses import replace
from pathlib import Path

import pytest

from framefall.bench import worlds as worldbench
from framefall.bench.table import lines
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.runs.training.train import train
from framefall.worlds.violations.registry import VIOLATIONS
from framefall.worlds.world import open_world


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its base and its temporal stage, trained for a moment."""
    recipe = RECIPES["micro"]()
    base = recipe.stages["base"]
    backbone = replace(base.stage.backbone, low_res_channels=4)
    stage = replace(base.stage, task=replace(base.stage.task, known=3), backbone=backbone)
    stages = {"base": replace(base, stage=stage), "temporal_sr": recipe.stages["temporal_sr"]}
    folder = tmp_path_factory.mktemp("knowing") / "model"
    train(WorldSource(open_world("projectile@2", size=40)), folder, replace(recipe, stages=stages), steps=3)
    return folder


def test_the_renderer_is_above_and_a_fresh_model_below(knowing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worldbench, "SPLITS", ("id", "horizon"))
    small = replace(worldbench.Protocol(), scenarios=("projectile",), training=20)
    monkeypatch.setattr(worldbench, "Protocol", lambda **values: replace(small, **values))
    monkeypatch.setattr(worldbench, "VIOLATIONS", {name: VIOLATIONS[name] for name in ("gravity_flip", "teleport")})
    scores = worldbench.worlds_bench(str(knowing), 3)
    assert scores["protocol"]["version"] == 2  # what the model was trained on
    for split in ("id", "horizon"):
        rows = scores[split]["references"]
        assert set(rows) >= {"renderer", "nearest_training", "copy_last", "inertia", "per_frame", "model"}
        assert rows["renderer"]["physics_score"]["value"] > rows["copy_last"]["physics_score"]["value"]
        assert rows["model"]["physics_score"]["value"] < rows["renderer"]["physics_score"]["value"]
        assert rows["renderer"]["flicker_over_real"]["value"] == pytest.approx(1.0)
    assert scores["id"]["caption_exact"]["n"] > 0
    assert rows["renderer"]["stutter"]["value"] >= 1 and "stutter" in scores["id"]["text"]
    assert set(scores["id"]["violations"]) <= {"gravity_flip", "teleport"}
    assert set(scores["id"]["temporal_sr"]) == {"temporal_sr", "linear_blend"}
    assert any("id.physics_score" in line for line in lines({"name": "worlds", **scores}))

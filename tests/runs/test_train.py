import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from framefall import publish
from framefall.cascade.checkpoint import load_cascade
from framefall.data.folder import Folder
from framefall.recipes.registry import RECIPES
from framefall.runs.train import train_cascade

STAGES = ["base", "temporal_sr", "spatial_sr"]


def test_a_run_publishes_a_cascade_that_knows_what_it_was_trained_on(trained: Path) -> None:
    publish.verify(trained)
    cascade = load_cascade(trained)
    assert [stage.name for stage in cascade.stages] == list(cascade.config.stages) == STAGES
    assert cascade.config.name == trained.name and cascade.config.trained_on == ["0001.mp4", "0002.mp4"]
    for name, part in RECIPES["micro"]().stages.items():
        assert cascade.stage(name).config == part.stage


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_leaves_what_it_needs_to_go_on_and_a_strip_of_samples(name: str, trained: Path) -> None:
    run = trained.with_name("toy.training") / name
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["00000002", "00000004"]
    assert json.loads((run / "recipe.json").read_text())["name"] == "micro"
    assert len((run / "log.jsonl").read_text().splitlines()) == 4 and any((run / "tensorboard").iterdir())
    sheet = cv2.imread(str(run / "samples" / "00000004.png"))
    assert sheet is not None and min(sheet.shape[:2]) > 16 and sheet.std() > 10


def test_the_model_is_published_after_every_stage(folder: Folder, tmp_path: Path) -> None:
    there = {}
    for progress in train_cascade(RECIPES["micro"](), folder, tmp_path / "m", steps=1):
        found = (tmp_path / "m").exists() and sorted(path.stem for path in (tmp_path / "m").glob("*.safetensors"))
        there[progress.stage] = found
    assert there == {"base": False, "temporal_sr": ["base"], "spatial_sr": ["base", "temporal_sr"]}


def test_stages_may_be_trained_one_by_one_in_any_order(folder: Folder, trained: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPES["micro"](), save_every=2)
    for name in ("spatial_sr", "base", "temporal_sr"):
        for _ in train_cascade(recipe, folder, tmp_path / "toy", stages=[name], steps=4):
            pass
    assert list(load_cascade(tmp_path / "toy").config.stages) == STAGES
    assert publish.verify(tmp_path / "toy") == publish.verify(trained)


def test_minutes_are_shared_among_the_stages(folder: Folder, tmp_path: Path) -> None:
    recipe = RECIPES["micro"]()
    shared = {"base": 0.8, "temporal_sr": 0.1, "spatial_sr": 0.1}
    stages = {name: replace(part, share=shared[name]) for name, part in recipe.stages.items()}
    for _ in train_cascade(replace(recipe, stages=stages), folder, tmp_path / "m", minutes=0.03):
        pass
    spent = {}
    for name in STAGES:
        newest = max((tmp_path / "m.training" / name / "checkpoints").iterdir())
        spent[name] = json.loads((newest / "state.json").read_text())["state"]["minutes"]
    for name, share in shared.items():
        assert spent[name] >= 0.03 * share
    assert spent["base"] > 2 * max(spent["temporal_sr"], spent["spatial_sr"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_stage_that_a_recipe_does_not_have_is_refused(name: str, folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a stage must be one of base, temporal_sr, spatial_sr; got 'sr'"):
        next(train_cascade(RECIPES[name](), folder, tmp_path / "m", stages=["sr"], steps=1))
    assert list(tmp_path.iterdir()) == []


def test_what_stands_there_is_not_overwritten(folder: Folder, trained: Path, tmp_path: Path) -> None:
    before = publish.verify(trained)
    recipe = RECIPES["micro"]()
    with pytest.raises(ValueError, match=r"holds an earlier run; pass --resume"):
        next(train_cascade(recipe, folder, trained, steps=1))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"mine exists and is not a Framefall model; choose another name"):
        next(train_cascade(recipe, folder, tmp_path / "mine", steps=1))
    assert publish.verify(trained) == before and (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_finished_run_that_is_resumed_changes_nothing(folder: Folder, trained: Path) -> None:
    before = publish.verify(trained)
    recipe = replace(RECIPES["micro"](), save_every=2)
    assert list(train_cascade(recipe, folder, trained, steps=4, resume=True)) == []
    assert publish.verify(trained) == before

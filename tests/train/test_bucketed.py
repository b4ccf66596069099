from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.config import from_json, override, to_json
from framefall.data.buckets import Bucket, ladder
from framefall.data.folder import Folder
from framefall.recipes.registry import RECIPES
from framefall.runs.train import train_cascade
from framefall.train import objective
from framefall.train.recipe import Recipe

SHAPES = (
    Bucket(frames=8, height=16, width=16),
    Bucket(frames=4, height=16, width=24),
    Bucket(frames=16, height=8, width=16),
)


def with_buckets(recipe: Recipe, buckets: object = SHAPES) -> Recipe:
    part = recipe.stages["base"]
    return replace(recipe, stages={"base": replace(part, stage=replace(part.stage, buckets=buckets))})


def test_a_base_learns_from_clips_of_several_shapes(
    recipe: Recipe, go: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    stack = objective.stack
    monkeypatch.setattr(
        objective, "stack", lambda clips, device: (shapes.append(clips[0].pixels.shape), stack(clips, device))[1]
    )
    losses = list(go(with_buckets(recipe), "base", tmp_path, steps=60).losses.values())
    # neither video is nearly square
    assert {shape[1:] for shape in shapes} == {(bucket.frames, bucket.height, bucket.width) for bucket in SHAPES[1:]}
    assert sum(losses[-15:]) < 0.8 * sum(losses[:15])


def test_a_resumed_run_is_the_unbroken_one(recipe: Recipe, go: Callable, tmp_path: Path) -> None:
    whole = go(with_buckets(recipe), "base", tmp_path / "whole", steps=8)
    parts = go(with_buckets(recipe), "base", tmp_path / "parts", steps=8, stops=(2, 5))
    for name, tensor in whole.weights.items():
        assert torch.equal(parts.weights[name], tensor)
    other = go(recipe, "base", tmp_path / "other", steps=8)
    assert any(not torch.equal(other.weights[name], tensor) for name, tensor in whole.weights.items())


def test_one_word_makes_a_ladder_and_a_list_names_the_shapes() -> None:
    recipe = RECIPES["nano"]()
    auto = override(recipe, ["stages.base.stage.buckets=auto"]).stages["base"]
    assert objective.window(auto).buckets == ladder(16, 64, 64) == auto.stage.shapes
    listed = override(recipe, ['stages.base.stage.buckets=[{"frames":4,"height":16,"width":24}]']).stages["base"]
    own = Bucket(frames=16, height=64, width=64)  # what is made by default is trained on as well
    assert listed.stage.shapes == (own, Bucket(frames=4, height=16, width=24))
    assert objective.window(recipe.stages["base"]).buckets == ()
    for made in (auto, listed):
        assert from_json(type(made), to_json(made)) == made


@pytest.mark.parametrize("name", ["temporal_sr", "spatial_sr"])
def test_other_stages_have_no_use_for_buckets(name: str) -> None:
    with pytest.raises(ValueError, match=f"buckets are for a base stage, {name} works on windows"):
        override(RECIPES["nano"](), [f"stages.{name}.stage.buckets=auto"])


def test_a_model_makes_the_sizes_that_it_was_trained_on(clips: Path, framefall: Callable, tmp_path: Path) -> None:
    setting = 'stages.base.stage.buckets=[{"frames":4,"height":16,"width":24}]'
    trained = framefall("train", clips, "-o", tmp_path / "m", "--recipe", "micro", "--steps", 2, "--set", setting)
    assert trained.code == 0, trained.err
    for size, expected in (("48x32", "7 frames of 48x32"), (None, "15 frames of 32x32")):
        asked = [] if size is None else ["--size", size]
        made = framefall("generate", "--model", tmp_path / "m", "-o", tmp_path / "out.mp4", *asked)
        assert made.code == 0 and expected in made.err, made.err
    wrong = framefall("generate", "--model", tmp_path / "m", "-o", tmp_path / "no.mp4", "--size", "40x40")
    assert (
        wrong.code == 1 and "must be one that the model was trained on, got 40x40; try one of 32x32, 48x32" in wrong.err
    )
    odd = framefall("generate", "--model", tmp_path / "m", "-o", tmp_path / "no.mp4", "--size", "big")
    assert odd.code == 1 and "size must be given like 256x144" in odd.err
    assert not (tmp_path / "no.mp4").exists()


def test_a_folder_of_nothing_but_short_videos_makes_a_model(folder: Folder, tmp_path: Path) -> None:
    part = RECIPES["micro"]().stages["base"]
    longer = replace(part.stage, shape=replace(part.stage.shape, frames=1000))
    plain = replace(RECIPES["micro"](), stages={"base": replace(part, stage=longer)})
    for _ in train_cascade(with_buckets(plain), folder, tmp_path / "m", steps=1):
        pass
    assert "base.safetensors" in publish.verify(tmp_path / "m")
    assert list((tmp_path / "m.training" / "base" / "samples").glob("*.png"))
    with pytest.raises(ValueError, match="a window of 1000 frames needs a shot"):
        next(train_cascade(plain, folder, tmp_path / "no", steps=1))


def test_a_simulated_world_has_no_buckets(framefall: Callable, tmp_path: Path) -> None:
    said = framefall(
        "train",
        "fall",
        "-o",
        tmp_path / "w",
        "--recipe",
        "micro",
        "--steps",
        1,
        "--stage",
        "base",
        "--set",
        "stages.base.stage.buckets=auto",
    )
    assert said.code == 1 and "buckets are for videos of a folder" in said.err
    assert not (tmp_path / "w").exists()

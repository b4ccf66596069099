"""A base that learns from clips of several shapes, from videos to clips of the sizes that it has learnt."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.stage import Stage
from framefall.cascade.tasks import Base
from framefall.data.buckets import Bucket
from framefall.data.folder import Folder
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train import objective
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe

SHAPES = (
    Bucket(frames=8, height=16, width=16),
    Bucket(frames=4, height=16, width=24),
    Bucket(frames=16, height=8, width=16),
)


def toy(buckets: tuple[Bucket, ...] = SHAPES) -> Recipe:
    """The base of the toy recipe, trained on several shapes."""
    part = RECIPES["micro"]().stages["base"]
    part = replace(part, stage=replace(part.stage, task=Base(buckets=buckets)))
    return replace(RECIPES["micro"](), stages={"base": part}, save_every=2)


def ran(recipe: Recipe, folder: Folder, where: Path, *, steps: int, stops: tuple[int, ...] = ()) -> Stage:
    """The base after a run that its reader leaves at each of `stops` and begins again."""
    for stop in (*stops, None):
        stage = initial("base", recipe.stages["base"], recipe.seed, torch.device("cpu"))
        events = train_stage(stage, recipe, folder, Budget(steps=steps), where)
        for event in events:
            if isinstance(event, TrainingStep) and event.step == stop:
                events.close()
    return stage


@pytest.mark.slow
def test_a_base_learns_from_clips_of_several_shapes(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    stack = objective.stack
    monkeypatch.setattr(
        objective, "stack", lambda clips, device: (shapes.append(clips[0].pixels.shape), stack(clips, device))[1]
    )
    recipe = toy()
    stage = initial("base", recipe.stages["base"], recipe.seed, torch.device("cpu"))
    losses = [event.loss for event in train_stage(stage, recipe, folder, Budget(steps=40), tmp_path)]
    # neither video is nearly square
    assert {shape[1:] for shape in shapes} == {(bucket.frames, bucket.height, bucket.width) for bucket in SHAPES[1:]}
    assert sum(losses[-12:]) < 0.8 * sum(losses[:12])


@pytest.mark.slow  # `data/test_buckets.py` resumes the stream, `train/test_resume.py` the run
def test_a_resumed_run_is_the_unbroken_one(folder: Folder, tmp_path: Path) -> None:
    whole = ran(toy(), folder, tmp_path / "whole", steps=8).backbone.state_dict()
    parts = ran(toy(), folder, tmp_path / "parts", steps=8, stops=(2, 5)).backbone.state_dict()
    other = ran(toy(()), folder, tmp_path / "other", steps=8).backbone.state_dict()
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())
    assert any(not torch.equal(other[name], tensor) for name, tensor in whole.items())


def test_a_model_makes_the_sizes_that_it_was_trained_on(clips: Path, framefall: Callable, tmp_path: Path) -> None:
    setting = 'stages.base.stage.task.buckets=[{"frames":4,"height":16,"width":24}]'
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
    def longer(recipe: Recipe) -> Recipe:
        part = recipe.stages["base"]
        stage = replace(part.stage, shape=replace(part.stage.shape, frames=1000))
        return replace(recipe, stages={"base": replace(part, stage=stage)})

    train(folder, tmp_path / "m", longer(toy()), steps=1)
    assert "base.safetensors" in publish.verify(tmp_path / "m")
    assert list((tmp_path / "m.training" / "base" / "samples").glob("*.png"))
    with pytest.raises(ValueError, match="a window of 1000 frames needs a shot"):
        train(folder, tmp_path / "no", longer(toy(())), steps=1)


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
        "stages.base.stage.task.buckets=auto",
    )
    assert said.code == 1 and "buckets are for videos of a folder" in said.err
    assert not (tmp_path / "w").exists()

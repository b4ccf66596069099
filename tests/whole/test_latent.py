"""A cascade whose stages run on latents, from videos to samples."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import AUTOENCODER, load_cascade, save
from framefall.cascade.tasks import Base
from framefall.data.folder import Folder
from framefall.models.autoencoder import AutoencoderConfig
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train.loop import TrainingStep
from framefall.train.recipe import Recipe, StageRecipe

SMALL = AutoencoderConfig(latent_channels=4, dim=8, depth=1, space=2, time=2)
STAGES = ["base", "temporal_sr", "spatial_sr"]


def _in_latents(part: StageRecipe) -> StageRecipe:
    stage, channels = part.stage, SMALL.latent_channels
    if isinstance(stage.task, Base):
        backbone = replace(stage.backbone, channels=channels, low_res_channels=channels + 1, patch=(1, 2, 2))
        return replace(part, stage=replace(stage, latent=SMALL, backbone=backbone, task=Base(known=3)))
    return replace(part, stage=replace(stage, latent=SMALL, backbone=replace(stage.backbone, channels=channels)))


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The toy recipe with every stage on latents, the base one going on from given frames."""
    micro = RECIPES["micro"]()
    stages = {name: _in_latents(part) for name, part in micro.stages.items()}
    return replace(micro, stages=stages, save_every=2, weights="float32")


@pytest.fixture(scope="module")
def model(recipe: Recipe, folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("latent") / "toy"
    train(folder, model, recipe, steps=3)
    return model


def test_a_run_publishes_every_stage_with_its_autoencoder(model: Path, recipe: Recipe) -> None:
    publish.verify(model)
    files = {path.name for path in model.glob("*.safetensors")}
    assert files == {f"{name}{suffix}" for name in STAGES for suffix in (".safetensors", f".{AUTOENCODER}")}
    cascade = load_cascade(model)
    assert all(cascade.stage(name).config == recipe.stages[name].stage for name in STAGES)


def test_a_model_that_is_saved_and_loaded_again_makes_the_same_bits(model: Path, tmp_path: Path) -> None:
    cascade = load_cascade(model)
    made = cascade.sample(Request("a man talks", seed=3, frames=11))
    assert made.shape == (1, 3, 11, 32, 32) and made.isfinite().all()
    save(cascade, tmp_path / "again")
    assert torch.equal(load_cascade(tmp_path / "again").sample(Request("a man talks", seed=3, frames=11)), made)
    assert not torch.equal(cascade.sample(Request("a man talks", seed=4, frames=11)), made)  # the control


def test_a_run_that_stops_within_an_autoencoder_ends_with_the_same_bits(
    recipe: Recipe, folder: Folder, model: Path, tmp_path: Path
) -> None:
    run = train.inside(folder, tmp_path / "toy", recipe, stages=["base"], steps=3)
    seen = list(islice((event for event in run if isinstance(event, TrainingStep)), 3))
    run.close()
    assert [step.stage for step in seen] == 3 * ["base.autoencoder"]
    with pytest.raises(ValueError, match=r"holds an earlier run; pass --resume"):
        train(folder, tmp_path / "toy", recipe, stages=["base"], steps=3)
    events = train.inside(folder, tmp_path / "toy", recipe, stages=["base"], steps=3, resume=True)
    rest = [event.stage for event in events if isinstance(event, TrainingStep)]
    assert rest.count("base") == 3
    ours, theirs = publish.verify(tmp_path / "toy"), publish.verify(model)
    for part in ("base.safetensors", f"base.{AUTOENCODER}"):
        assert ours[part] == theirs[part]


@pytest.mark.slow
def test_minutes_are_halved_between_an_autoencoder_and_its_stage(
    recipe: Recipe, folder: Folder, tmp_path: Path
) -> None:
    run = train.events(folder, tmp_path / "toy", recipe, stages=["base"], minutes=0.008)
    spent = [event for event in run if isinstance(event, TrainingStep)]
    names = [step.stage for step in spent]
    assert set(names) == {"base.autoencoder", "base"} and names == sorted(names, key=lambda name: name == "base")
    assert [one.done for one in spent if one.stage == "base"][-1] == 1.0

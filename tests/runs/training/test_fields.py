"""A recipe takes the channels of its source, and a model keeps one scale for all its stages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.fields.field import Channel, Clock, Field, numbered
from framefall.data.fields.folder import open_fields
from framefall.data.fields.formats import write
from framefall.models.registry import build
from framefall.recipes.registry import RECIPES
from framefall.runs.training.fields import for_fields
from framefall.runs.training.train import train


def source(folder: Path, channels: int, offset: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    field = Field(
        channels=[Channel(name=f"c{number}") for number in range(channels)],
        rows=numbered(32, "y"),
        columns=numbered(32, "x"),
        clock=Clock(units="s", step=1.0),
    )
    values = offset + np.random.default_rng(0).normal(size=(channels, 20, 32, 32))
    write(folder / "a.npy", [values.astype(np.float32)], field, np.arange(20.0))
    return folder


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("name", ["micro", "pico", "vdm"])
def test_every_stage_takes_the_channels_of_the_source(name: str, channels: int, tmp_path: Path) -> None:
    recipe = RECIPES[name]()
    fields = open_fields(source(tmp_path / "source", channels), recipe.data)
    found, same = for_fields(recipe, fields, tmp_path / "model", None)
    assert same is fields
    for part in found.stages.values():
        assert part.stage.shape.channels == channels and not part.flip
        if name == "micro":
            assert sum(one.numel() for one in build(part.stage.backbone).parameters()) > 0
    again, _ = for_fields(found, fields, tmp_path / "model", None)
    assert again == found


def test_a_stage_that_is_added_sees_the_scale_of_the_model(tmp_path: Path) -> None:
    recipe, model = RECIPES["micro"](), tmp_path / "model"
    part = recipe.stages["spatial_sr"]
    slower = replace(part, stage=replace(part.stage, shape=replace(part.stage.shape, fps=6.0)))
    recipe = replace(recipe, stages={"base": recipe.stages["base"], "spatial_sr": slower})
    train(source(tmp_path / "source", 1), model, recipe, stages=["base"], steps=1)
    scale = load_cascade(model).config.field
    other = source(tmp_path / "other", 1, offset=50.0)
    assert scale is not None and open_fields(other, recipe.data).described.channels != scale.channels
    train(other, model, recipe, stages=["spatial_sr"], steps=1)
    later = load_cascade(model).config.field
    assert later is not None and later.channels == scale.channels
    with pytest.raises(ValueError, match="the source must have the channels of the model, c0, got c0, c1"):
        train(source(tmp_path / "two", 2), model, recipe, stages=["spatial_sr"], steps=1)

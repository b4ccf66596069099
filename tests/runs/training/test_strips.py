from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from framefall.data import loader
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.runs.training.strips import CLIPS, draw_strips, sample_rows
from framefall.train.loop import initial
from framefall.train.objective import window
from framefall.worlds.world import open_world

RECIPE = RECIPES["micro"]()
FRAMES = {"base": 8, "temporal_sr": 6, "spatial_sr": 3}  # of a training example


@pytest.fixture(scope="module")
def world() -> WorldSource:
    return WorldSource(open_world("fall", size=20), size=RECIPE.data.size, fps=RECIPE.data.fps)


@pytest.mark.parametrize("name", RECIPE.stages)
def test_a_strip_shows_a_few_clips_with_what_they_should_be_and_what_they_are(name: str, world: WorldSource) -> None:
    part = RECIPE.stages[name]
    rows = sample_rows(initial(name, part, 0, torch.device("cpu")), part, world, 0)
    labels = ["real", *(["interpolated"] if name != "base" else []), "made, fast", "made, best"]
    assert [row.label for row in rows] == labels * CLIPS
    clips = loader.validation(world, window(part), CLIPS, 0)
    assert [row.heading for row in rows if row.label == "real"] == [clip.caption for clip in clips]
    assert not any(row.heading for row in rows if row.label != "real")
    for row in rows:
        assert row.times == tuple(number / part.stage.shape.fps for number in range(FRAMES[name]))
        assert row.label.startswith("made") or row.frames.std() > 1  # what is not trained yet may make plain grey
    truth = rows[0].frames.astype(int)
    assert all(np.abs(row.frames - truth).mean() > 0 for row in rows[1 : len(labels)])  # none is a copy of it


def test_a_strip_is_a_picture_with_room_for_its_words(world: WorldSource, tmp_path: Path) -> None:
    part = RECIPE.stages["spatial_sr"]
    stage = initial("spatial_sr", part, 0, torch.device("cpu"))
    for step, rows in ((10_000, 4 * CLIPS), (1, 3)):  # drawing must not outdo training
        draw_strips(stage, part, world, tmp_path / "strip.png", 0, step)
        with Image.open(tmp_path / "strip.png") as image:
            width, height = image.size
        assert width > 64 * FRAMES["spatial_sr"] and 64 * rows < height < 64 * (rows + 1 + CLIPS)

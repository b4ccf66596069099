"""Video to video from its page: a model trained on a folder, told where things are and what they look like."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.tasks import Base
from framefall.data.folder import Folder
from framefall.data.media.writer import write
from framefall.data.structure import edges
from framefall.models.content import CONTENT_DIM
from framefall.models.unet import UNetConfig
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train.recipe import Recipe

PAGE = Path(__file__).parents[2] / "docs" / "gen1.md"


def told(recipe: Recipe) -> Recipe:
    """A toy recipe whose base is told edges and content."""
    base = recipe.stages["base"]
    network = UNetConfig(dim=8, multipliers=(1, 2), blocks=(1, 1), head_dim=8, spatial_from=1, text_dim=384)
    network = replace(network, structure_channels=2, content_dim=CONTENT_DIM)
    base = replace(base, stage=replace(base.stage, task=Base(structure="edges"), backbone=network))
    return replace(recipe, stages={**recipe.stages, "base": base})


@pytest.fixture(scope="module")
def place(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the page speaks of."""
    home = tmp_path_factory.mktemp("gen1")
    train(folder, home / "my_gen1", told(RECIPES["micro"]()), stages=["base"], steps=2)
    pixels = np.full((9, 32, 32, 3), 40, np.uint8)
    for frame in range(9):
        pixels[frame, 8:20, frame : frame + 12] = (200, 120, 30)
    write(home / "cup.mp4", [pixels], 12.0)
    write(home / "edges.mp4", [np.repeat((edges(pixels) * 255).astype(np.uint8)[..., None], 3, axis=3)], 12.0)
    Image.fromarray(pixels[4]).save(home / "clay.png")
    return home


def test_the_page_can_be_followed(place: Path, framefall: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line)[1:] for language, block in blocks if language == "sh" for line in block.splitlines()]
    made = [line for line in lines if line[0] == "generate"]
    assert len(made) == 4 and [line[0] for line in lines if line not in made] == ["install", "train"]
    for line in made:
        said = framefall(*line)
        assert said.code == 0, (line, said.err)
    (code,) = (block for language, block in blocks if language == "python")
    exec(compile(code, str(PAGE), "exec"), {"__name__": "gen1"})
    again = framefall("generate", "--like", "rough.mp4", "-o", "again.mp4")
    assert again.code == 0 and Path("again.mp4").read_bytes() == Path("rough.mp4").read_bytes()
    wrong = framefall("generate", "-o", "wrong.mp4", "--model", "pico", "--structure", "cup.mp4")
    assert (
        wrong.code == 1 and "pico cannot be told structure; take a model" in wrong.err and "Traceback" not in wrong.err
    )
    assert not Path("wrong.mp4").exists()


def test_training_draws_what_is_told_and_a_plain_model_can_learn_to_be_told(place: Path, folder: Folder) -> None:
    assert list((place / "my_gen1.training" / "base" / "samples").glob("*.png"))
    recipe = told(RECIPES["micro"]())
    base = recipe.stages["base"]
    plain = replace(base.stage.backbone, structure_channels=0, content_dim=0)
    before = replace(base, stage=replace(base.stage, task=Base(), backbone=plain))
    train(folder, place / "plain", replace(recipe, stages={**recipe.stages, "base": before}), stages=["base"], steps=2)
    train(folder, place / "more", recipe, stages=["base"], steps=1, init=place / "plain")
    assert load_cascade(place / "more").stages[0].task.structure == "edges"
    with pytest.raises(ValueError, match="--init must have the recipe's network for base: structure_channels is 2"):
        train(folder, place / "less", before_only(recipe, before), stages=["base"], steps=1, init=place / "more")


def before_only(recipe: Recipe, part: Any) -> Recipe:
    return replace(recipe, stages={**recipe.stages, "base": part})

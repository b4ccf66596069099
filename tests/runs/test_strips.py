"""Strips of samples: rows of the truth, the plain guess and the stage's own, in that order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from framefall.cascade.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.folder import Folder
from framefall.recipes.registry import RECIPES
from framefall.runs.strips import CLIPS, FRAMES, draw_strips
from framefall.train.objective import stack, window
from framefall.video import to_pixels


def drawn(stage: Stage, folder: Folder, path: Path, seed: int = 0) -> np.ndarray:
    draw_strips(stage, RECIPES["micro"]().stages[stage.name], folder, path, seed)
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("name", ["base", "temporal_sr", "spatial_sr"])
def test_a_strip_shows_the_truth_first_and_then_what_the_stage_makes(
    name: str, trained: Path, folder: Folder, tmp_path: Path
) -> None:
    stage, part = load_cascade(trained).stage(name), RECIPES["micro"]().stages[name]
    sheet = drawn(stage, folder, tmp_path / "a.png")
    clips = loader.validation(folder, window(part), CLIPS, 0)
    rows = len(clips) * (3 if name == "base" else 4)  # real, plain where there is a guess, fast, best
    side = part.stage.shape.height
    assert sheet.shape[0] == rows * side + (rows - 1) * 2
    truth, _ = stage.task.example(stack(clips[:1], stage.device))
    every = -(-truth.shape[2] // FRAMES)
    first = to_pixels(truth[0, :, ::every]).permute(1, 2, 3, 0).numpy()
    shown = sheet[:side, -(len(first) * (side + 2)) :]
    frames = [shown[:, index * (side + 2) + 2 : (index + 1) * (side + 2)] for index in range(len(first))]
    starts = [next(at for at in range(sheet.shape[1]) if np.array_equal(sheet[:side, at : at + side], first[0]))]
    assert starts and len(frames) == len(first)
    for index, frame in enumerate(first):
        at = starts[0] + index * (side + 2)
        assert np.array_equal(sheet[:side, at : at + side], frame)
    last = sheet[-side:, starts[0] : starts[0] + side]
    assert not np.array_equal(last, first[0])  # the control: what it makes is not the truth


def test_a_strip_is_drawn_by_its_seed_and_by_the_weights(trained: Path, folder: Folder, tmp_path: Path) -> None:
    stage = load_cascade(trained).stage("base")
    stage = replace(stage, config=replace(stage.config, best=stage.config.fast))
    one, same, other = (drawn(stage, folder, tmp_path / f"{index}.png", seed) for index, seed in enumerate((0, 0, 1)))
    assert np.array_equal(one, same) and not (one.shape == other.shape and np.array_equal(one, other))
    for parameter in stage.backbone.parameters():
        parameter.data *= 1.5
    assert not np.array_equal(drawn(stage, folder, tmp_path / "changed.png"), one)

"""Strips of samples: what a stage makes now, beside what it should make. A loss curve is not a video."""

from pathlib import Path

import numpy as np
from torch import Tensor

from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.data.sheet import strips
from framefall.noise import Key
from framefall.train.objective import stack, window
from framefall.train.recipe import StageRecipe
from framefall.video import Video, to_pixels

CLIPS = 3
FRAMES = 12  # shown of each clip


def draw_strips(stage: Stage, recipe: StageRecipe, source: Folder | Source, path: Path, seed: int) -> None:
    """A PNG with a few rows a clip: the truth, the plain guess if there is one, and the stage's own samples."""
    rows: list[tuple[str, np.ndarray]] = []
    for clip in loader.validation(source, window(recipe), CLIPS, seed):
        truth, low = stage.task.example(stack([clip], stage.device))
        known = stage.task.conditioning(low, truth.shape[2])
        condition = stage.condition([clip.caption], frames=truth.shape[2], fps=clip.fps)
        rows.append(("real", _pixels(truth)))
        if known.prior is not None:
            rows.append(("plain", _pixels(known.prior)))
        for quality in ("fast", "best"):
            sampling = stage.sampling(quality)
            size = (truth.shape[-2], truth.shape[-1])
            for step in stage.sample(
                condition, low, size, range(truth.shape[2]), [Key(seed, "strip", clip.key)], sampling
            ):
                made = step.x
            rows.append((quality, _pixels(made)))
    strips(rows, path)


def _pixels(video: Video) -> np.ndarray:
    every = max(1, -(-video.shape[2] // FRAMES))
    frames: Tensor = to_pixels(video[0, :, ::every]).permute(1, 2, 3, 0)
    return frames.cpu().numpy()

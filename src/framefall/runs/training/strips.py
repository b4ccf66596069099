"""Strips of samples: what a stage makes now, beside what it should make. A loss curve is not a video."""

from pathlib import Path

from framefall import ranks
from framefall.cascade.conditioning import structure_map
from framefall.cascade.known import Known
from framefall.cascade.request import Quality
from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.data.media.sheet import Row, clip_row, strips
from framefall.noise import Key
from framefall.train.objective import stack, window
from framefall.train.recipe import StageRecipe
from framefall.video import to_frames

CLIPS = 3
_SEEN = 100  # clips of training that one more clip of a strip is worth: drawing must not outdo training
FRAMES = 12  # shown of each clip
_QUALITIES: tuple[Quality, ...] = ("fast", "best")


def draw_strips(stage: Stage, recipe: StageRecipe, source: Folder | Source, path: Path, seed: int, step: int) -> None:
    """Writes `sample_rows` as a PNG; of a stage that has hardly seen a clip, of fewer clips. Rank 0 alone writes."""
    count = min(CLIPS, 1 + step * recipe.batch // _SEEN)
    rows = sample_rows(stage, recipe, source, seed, count)
    if ranks.rank() == 0:
        strips(rows, path)


def sample_rows(stage: Stage, recipe: StageRecipe, source: Folder | Source, seed: int, count: int = CLIPS) -> list[Row]:
    """A few rows for each of some held-out clips: the truth, what interpolation gives, and the stage's own samples.

    Of a single clip, which is what a stage that has hardly seen one gets, there is no slow sample.
    """
    rows: list[Row] = []
    for clip in loader.validation(source, window(recipe), count, seed):
        truth, low = stage.task.example(stack([clip], stage.device))
        known = stage.task.conditioning(low, truth.shape[2])
        condition = stage.condition([clip.caption], frames=truth.shape[2], fps=clip.fps)
        shown, where = {"real": truth}, None
        if kind := stage.task.structure:
            where = Known(video=structure_map(truth, kind))
            shown[kind] = where.video.expand_as(truth)
        if known.prior is not None:
            shown["interpolated"] = known.prior
        for quality in _QUALITIES[:count]:
            sampling = stage.sampling(quality)
            size = (truth.shape[-2], truth.shape[-1])
            for step in stage.sample(
                condition, low, size, range(truth.shape[2]), [Key(seed, "strip", clip.key)], sampling, structure=where
            ):
                made = step.x
            shown[f"made, {quality}"] = made
        for index, (label, video) in enumerate(shown.items()):
            rows.append(clip_row(label, to_frames(video), clip.fps, FRAMES, "" if index else clip.caption or clip.key))
    return rows

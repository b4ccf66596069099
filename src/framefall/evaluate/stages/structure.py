"""How far a base keeps the structure that it is told and looks like the content, beside clips that are told none.

The structure of what was made is taken as that of the input was, and both are compared place by place. What a model
makes without being told, and what it makes of another clip's, say what agrees by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from framefall.cascade.conditioning import blurred, detail, structure_map
from framefall.cascade.known import Known
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.data.structure import Maps
from framefall.models.content import content_of
from framefall.noise import Key
from framefall.video import Video

REACH = 1  # pixels that a place may lie beside another and still be the same


def agreement(made: Maps, told: Maps, reach: int = REACH) -> float:
    """F-score of two maps, 0..1: the harmonic mean of how much of each has its like in the other within `reach` pixels.

    1 for two that are empty, 0 where one of them is.
    """
    ours, theirs = made > 0.5, told > 0.5
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))

    def near(maps: np.ndarray) -> np.ndarray:
        return np.stack([cv2.dilate(one.astype(np.uint8), disc) for one in maps]) > 0

    precision, recall = (ours & near(theirs)).sum() / ours.sum(), (theirs & near(ours)).sum() / theirs.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a clip is made of; a place in the list of clips, or None: not told."""

    structure: int | None
    content: int | None
    blur: int = 0


@dataclass(frozen=True, eq=False)
class Likeness:
    """A clip that was made, and how it goes with the clip whose place it takes."""

    video: Video
    structure: float  # agreement of its structure with that clip's, 0..1
    content: float  # cosine of the embeddings, -1..1


def made_as(
    stage: Stage, clips: Sequence[Video], told: Sequence[Told], sampling: Sampling, seed: int
) -> list[Likeness]:
    """A clip for each of `clips` (of the stage's shape), told what `told` says, and compared with that one."""
    kind, shape = stage.task.structure, stage.config.shape
    assert kind
    maps = [structure_map(clip, kind) for clip in clips]
    contents = [content_of(clip[:, :, :1]) for clip in clips]
    found = []
    for index, what in enumerate(told):
        structure = None
        if what.structure is not None:
            details = torch.full((1, 1, shape.frames, 1, 1), detail(what.blur))
            structure = Known(video=blurred(maps[what.structure], what.blur), mask=details, fps=shape.fps)
        content = None if what.content is None else contents[what.content]
        condition = stage.condition([None], frames=shape.frames, fps=shape.fps, content=content)
        keys = [Key(seed, "structure", str(index))]
        size = shape.height, shape.width
        *_, last = stage.sample(condition, None, size, range(shape.frames), keys, sampling, structure=structure)
        video = last.x.clamp(-1.0, 1.0)
        likeness = agreement(_plain(structure_map(video, kind)), _plain(maps[index]))
        alike = F.cosine_similarity(content_of(video), contents[index])
        found.append(Likeness(video, likeness, float(alike)))
    return found


def _plain(maps: Tensor) -> Maps:
    """A map of one clip in 0..1."""
    plain: Maps = (maps[0, 0].numpy() + 1.0) / 2.0
    return plain

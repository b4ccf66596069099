"""What a base that is told structure and content is told of a training clip: each taken from the clip itself.

The structure is that of the clip's frames, for some clips blurred, so that it can be followed roughly too; the content
is the embedding of one of its frames, as in Gen-1 (Esser et al. 2023). Some clips are not told the one or the other,
so that each can be left out and guided by.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.cascade.conditioning import BLURS, Structure, blurred, detail, structure_map, told_structure
from framefall.cascade.stage import Stage
from framefall.models.content import content_of
from framefall.noise import Key
from framefall.ranges import Share
from framefall.video import Video


@dataclass(frozen=True, kw_only=True)
class ConditionShares:
    """How many of the clips are told how much."""

    structure_dropout: Share = 0.1  # are not told their structure
    blur: Share = 0.5  # of those that are told it: at a level of blur, each as often
    content_dropout: Share = 0.2  # are not told a content


EXACTLY = ConditionShares(structure_dropout=0.0, blur=0.0, content_dropout=0.0)


def structures(stage: Stage, video: Video, keys: Sequence[Key], shares: ConditionShares) -> Structure | None:
    """What a batch is told of its structure, a pure function of clips and keys; None of a stage that is told none."""
    if not stage.task.structure:
        return None
    maps, details = structure_map(video, stage.task.structure), []
    for index, key in enumerate(one.named("structure") for one in keys):
        level = 1 + key.integer(BLURS, 1) if key.uniform(0) < shares.blur else 0
        maps[index : index + 1] = blurred(maps[index : index + 1], level)
        details.append(0.0 if key.uniform(2) < shares.structure_dropout else detail(level))
    return told_structure(maps, torch.tensor(details, device=video.device)[:, None, None, None, None])


def contents(
    stage: Stage, video: Video, keys: Sequence[Key], shares: ConditionShares
) -> Float[Tensor, "batch features"] | None:
    """What a batch is told of its content: the embedding of a frame of each clip; None of a stage without."""
    if not stage.config.backbone.content_dim:
        return None
    found = torch.zeros(len(video), stage.config.backbone.content_dim)
    for index, key in enumerate(one.named("content") for one in keys):
        if key.uniform(0) >= shares.content_dropout:
            frame = key.integer(video.shape[2], 1)
            found[index] = content_of(video[index : index + 1, :, frame : frame + 1])[0]
    return found

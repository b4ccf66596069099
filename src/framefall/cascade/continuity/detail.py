"""What a stage gets wrong of a given frame, mended in the frames beside it as well, as long as nothing changes there.

A given frame is kept as it is, and a made one is a rendition: softer, a little other in colour. Side by side they jump,
also where nothing moves. There the stage's rendition of the given frame, which nobody sees, says what it gets wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from framefall.cascade.known import Known, known_frames
from framefall.video import Video

Image = Float[Tensor, "batch channels 1 height width"]
SmallImage = Float[Tensor, "batch channels 1 low_height low_width"]
LowRes = Float[Tensor, "batch channels frames low_height low_width"]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A given frame with others to be made beside it."""

    frame: int
    before: bool  # whether those are to be made that come before it
    after: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Rendered:
    """What a stage that enlarges makes of a given frame."""

    edge: Edge
    small: SmallImage  # what it is shown
    error: Image  # the given frame less its rendition


def edges(pieces: Sequence[Known], fps: float, total: int | None, loop: bool = False) -> list[Edge]:
    """The frames at `fps` a second, of the first `total`, that are given whole and have others beside them.

    In a loop the first frame comes again as number `total`, and the last is number -1 as well.
    """
    horizon = total or round(max((piece.end for piece in pieces), default=0.0) * fps) + 1
    given = known_frames(pieces, fps, horizon)
    made = {frame for frame in range(horizon + 1 if total is None else total) if frame not in given}
    each = [Edge(frame=one, before=one - 1 in made, after=one + 1 in made) for one in sorted(given)]
    if loop and total is not None and 0 in given:
        each.append(Edge(frame=total, before=total - 1 in made, after=False))
    if loop and total is not None and total - 1 in given:
        each.insert(0, Edge(frame=-1, before=False, after=0 in made))
    return [edge for edge in each if edge.before or edge.after]


def mended(video: Video, low: LowRes, frames: Sequence[int], given: Sequence[Rendered]) -> Video:
    """A rendition of the `frames` `low`, with the errors of the nearest given frames before and after taken off it.

    x + sum_k share_k keep_k error_k, where keep_k falls from 1, where the small picture is that of the given frame k,
    to 0, where it differs by `CHANGED` within a pixel; between two given frames each has a share by how near it is.
    """
    height, width = video.shape[-2:]
    added = []
    for place, frame in enumerate(frames):
        total = torch.zeros_like(video[:, :, :1])
        for one, share in _shares(frame, given):
            change = (low[:, :, place] - one.small[:, :, 0]).abs().amax(1, keepdim=True)
            keep = (1.0 - F.max_pool2d(change, 3, 1, 1) / CHANGED).clamp(min=0.0)
            keep = F.interpolate(keep, (height, width), mode="bilinear", align_corners=False)
            total = total + share * keep[:, :, None] * one.error
        added.append(total)
    return (video + torch.cat(added, dim=2)).clamp(-1.0, 1.0)


def _shares(frame: int, given: Sequence[Rendered]) -> list[tuple[Rendered, float]]:
    """The nearest given frame on each side that has made ones towards this one, and its share."""
    near = [one for one in given if one.edge.after and one.edge.frame < frame][-1:]
    near += [one for one in given if one.edge.before and one.edge.frame > frame][:1]
    if len(near) < 2:
        return [(one, 1.0) for one in near]
    first, last = (one.edge.frame for one in near)
    part = (frame - first) / (last - first)
    return list(zip(near, (1.0 - part, part), strict=True))


CHANGED = 0.5  # of values in -1..1: less is what a stage below makes of a thing that stands still

"""What the features of its frames say about one clip: whether it stays itself, and how its path through them bends.

Features are those of EfficientNet-Lite0 (`framefall.evaluate.encoders`), so no number here may be compared with
VBench's, TecoGAN's or GeoPhys' own. A clip that cannot be measured gives NaN. A frozen clip wins most of them:
`framefall.evaluate.metrics.gates` says which.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.evaluate.encoders import FRAME_ENCODER, encode_frames
from framefall.flow import Clip

MOST_FRAMES = 32  # of one clip are encoded; of a longer one, every second, third, ...
SHORTEST_STEP = 1e-4  # of the unit sphere; the direction of a shorter step is rounding

Boxes = Float[np.ndarray, "frames 4"]  # left, top, right, bottom in pixels; NaN where an object is not seen


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One feature vector a frame, of every `stride`-th frame."""

    vectors: Float[Tensor, "frames dim"]
    stride: int
    encoder: str = FRAME_ENCODER


def embed(video: Clip) -> Embeddings:
    """The features of a clip's frames; at most 32 of them, evenly apart from the first on."""
    stride = max(1, -(-video.shape[2] // MOST_FRAMES))
    return Embeddings(encode_frames(video[:, :, ::stride]), stride)


def frame_consistency(embeddings: Embeddings) -> float:
    """Mean of the likeness to the frame before and to the first, 0..1 (VBench's formula, Huang et al. 2024).

    Likeness is the cosine, negative ones are 0. NaN below 2 frames.
    """
    return _consistency(_units(embeddings))


def subject_consistency(video: Clip, boxes: Boxes) -> float:
    """The same of one object, cut out by its boxes (a tracker's); frames without a box are passed over."""
    cuts = [_cut(video[:, :, index], box) for index, box in enumerate(boxes[: video.shape[2]])]
    stride = max(1, -(-len(cuts) // MOST_FRAMES))
    seen = [encode_frames(cut[:, :, None]) for cut in cuts[::stride] if cut is not None]
    return _consistency(_unit_rows(torch.cat(seen))) if len(seen) > 1 else math.nan


def background_consistency(video: Clip, boxes: list[Boxes]) -> float:
    """The same of what lies outside all objects' boxes; inside them, the median of the clip is painted."""
    stride = max(1, -(-video.shape[2] // MOST_FRAMES))
    plain = video[0].median(dim=1).values
    painted = video[:, :, ::stride].clone()
    for index in range(painted.shape[2]):
        for rows, columns in (_span(box[index * stride], video.shape[-2:]) for box in boxes):
            painted[0, :, index, rows, columns] = plain[:, rows, columns]
    return _consistency(_unit_rows(encode_frames(painted)))


def tfd(embeddings: Embeddings, reference: Embeddings) -> float:
    """100 times the mean difference of the two clips' steps from frame to frame: tLP of TecoGAN (Chu et al. 2020),
    with 1 - cosine of frame features for the learned distance. 0 is the reference's own pace of change.
    """
    if embeddings.vectors.shape != reference.vectors.shape:
        raise ValueError(
            f"a clip and its reference must have the same number of frames, got {len(embeddings.vectors)} and "
            f"{len(reference.vectors)} features; cut one of them"
        )
    one, other = (1 - (units[1:] * units[:-1]).sum(1) for units in (_units(embeddings), _units(reference)))
    return float(100 * (one - other).abs().mean())


@dataclass(frozen=True)
class Geometry:
    """How a clip's path through its frames' features runs: the statistics of GeoPhys.

    For diagnosis only. They measure smoothness, and steady motion in a straight line is the smoothest: a fall
    without gravity is better than a true one in every one of them. Features are put on the unit sphere first.
    """

    step_spread: float  # standard deviation of the step's length over its mean
    turning: float  # mean angle between one step and the next, radians
    turning_spread: float  # standard deviation of that angle, radians
    acceleration: float  # mean squared second difference over the mean squared step
    line_residual: float  # mean distance from the point that the line through the last 4 foretells, in steps


def geometry(embeddings: Embeddings) -> Geometry:
    """NaN where there are too few frames (2 to 5 are needed), and of a path that does not move."""
    path = _units(embeddings).double()
    steps = path.diff(dim=0)
    lengths = steps.norm(dim=1)
    if not len(lengths) or not float(lengths.mean()) > SHORTEST_STEP:
        return Geometry(*[math.nan] * 5)
    directed = lengths > SHORTEST_STEP
    both = directed[1:] & directed[:-1]
    cosines = (steps[1:] * steps[:-1]).sum(1)[both] / (lengths[1:] * lengths[:-1])[both]
    angles = cosines.clamp(-1.0, 1.0).arccos()
    bends = steps.diff(dim=0).square().sum(1)
    return Geometry(
        step_spread=float(lengths.std(correction=0) / lengths.mean()),
        turning=_mean(angles),
        turning_spread=float(angles.std(correction=0)) if len(angles) else math.nan,
        acceleration=_mean(bends) / float(lengths.square().mean()),
        line_residual=_mean(_off_the_line(path)) / float(lengths.mean()),
    )


def _off_the_line(path: Tensor) -> Tensor:
    """How far each point lies from where the least-squares line through the four before it leads."""
    ahead = torch.tensor((-0.5, 0.0, 0.5, 1.0)).double()  # the line's value one step on, as weights of the four
    if len(path) < 5:
        return path.new_zeros(0)
    foretold = torch.einsum("ndk,k->nd", path[:-1].unfold(0, 4, 1), ahead)
    return (path[4:] - foretold).norm(dim=1)


def _consistency(units: Tensor) -> float:
    if len(units) < 2:
        return math.nan
    before = (units[1:] * units[:-1]).sum(1).clamp(min=0.0)
    first = (units[1:] * units[:1]).sum(1).clamp(min=0.0)
    return float(((before + first) / 2).mean())


def _units(embeddings: Embeddings) -> Tensor:
    return _unit_rows(embeddings.vectors)


def _unit_rows(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else math.nan


def _cut(frame: Tensor, box: np.ndarray) -> Tensor | None:
    """`[1, channels, height, width]` of a box, or None where it holds less than two pixels a side."""
    rows, columns = _span(box, frame.shape[-2:])
    cut = frame[..., rows, columns]
    return cut if min(cut.shape[-2:]) > 1 else None


def _span(box: np.ndarray, size: torch.Size) -> tuple[slice, slice]:
    """The rows and columns that a box touches."""
    if not np.isfinite(box).all():
        return slice(0, 0), slice(0, 0)
    left, top, right, bottom = box
    rows = slice(max(0, math.floor(top)), min(size[0], max(0, math.ceil(bottom))))
    return rows, slice(max(0, math.floor(left)), min(size[1], max(0, math.ceil(right))))

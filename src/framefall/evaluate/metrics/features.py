"""What the features of its frames say about one clip: whether it stays itself, and at which pace it changes.

Features are those of EfficientNet-Lite0 (`framefall.evaluate.encoders`), so no number here may be compared with
VBench's or TecoGAN's own. A clip that cannot be measured gives NaN. A frozen clip wins: see
`framefall.evaluate.metrics.gates`.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from framefall.evaluate.encoders import FRAME_ENCODER, encode_frames
from framefall.flow import SingleVideo

MOST_FRAMES = 32  # of one clip are encoded; of a longer one, every second, third, ...


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One feature vector a frame, of every `stride`-th frame."""

    vectors: Float[Tensor, "frames dim"]
    stride: int
    encoder: str = FRAME_ENCODER


def embed(video: SingleVideo) -> Embeddings:
    """The features of a clip's frames; at most 32 of them, evenly apart from the first on."""
    stride = max(1, -(-video.shape[2] // MOST_FRAMES))
    return Embeddings(encode_frames(video[:, :, ::stride]), stride)


def frame_consistency(embeddings: Embeddings) -> float:
    """Mean of the likeness to the frame before and to the first, 0..1 (VBench's formula, Huang et al. 2024).

    Likeness is the cosine, negative ones are 0. NaN below 2 frames.
    """
    return _consistency(_units(embeddings))


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

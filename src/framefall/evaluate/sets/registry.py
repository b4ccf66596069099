"""The set distances by name: which features each is made of, and how they are compared.

None is FVD: that is I3D's name. Every function gives one clip's features as rows,
so that a set can be measured clip by clip and compared later.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from framefall.evaluate.encoders import CLIP_ENCODER, FRAME_ENCODER, encode_clip
from framefall.evaluate.metrics.features import Embeddings, embed
from framefall.evaluate.sets.distribution import (
    COMPONENTS,
    Distance,
    FeatureRows,
    Measure,
    compare,
    frechet_of_clips,
    kernel_of_clips,
    too_few,
)
from framefall.flow import Motion, SingleVideo, look

FRAMES_PER_CLIP = 8  # features of so many frames of a clip go into the frame distances
POINTS = 20  # a side, of the lattice that is followed
SEGMENT = 16  # frames that points are followed before they start anew
CELL = (4, 5, 5)  # frames, rows and columns of points that share a histogram
ANGLES = 8
PEAK = 8.0  # of log2 magnitude
LEAST_AMPLITUDE = 0.01  # of features of length 1; below it a logarithm would compare noise
NOTIONAL_SIDE = 256  # pixels of the picture that displacements are told in, as the paper's clips


@dataclass(frozen=True)
class SetMetric:
    """A distance between sets of clips; lower is better in all of them."""

    name: str
    features: Callable[[SingleVideo, float], FeatureRows]  # (clip, frames a second)
    encoder: str
    description: str
    measure: Measure = frechet_of_clips
    components: int | None = COMPONENTS

    def between(self, generated: Sequence[FeatureRows], reference: Sequence[FeatureRows], seed: int = 0) -> Distance:
        """The distance of clips' features, as `features` gives them."""
        return compare(self.name, generated, reference, self.measure, self.encoder, self.components, seed)

    def too_few(self, n: int, n_reference: int) -> Distance:
        """The answer where there are too few clips to find features of."""
        return too_few(self.name, self.encoder, n, n_reference)


def frame_features(video: SingleVideo, fps: float = math.nan) -> FeatureRows:
    """Eight frames of a clip by EfficientNet-Lite0, evenly apart."""
    if not video.shape[2]:
        return np.zeros((0, 1280))
    index = np.linspace(0, video.shape[2] - 1, min(FRAMES_PER_CLIP, video.shape[2])).round().astype(int)
    return embed(video[:, :, index]).vectors.double().numpy()


def clip_features(video: SingleVideo, fps: float = math.nan) -> FeatureRows:
    """One clip by TransNetV2."""
    return encode_clip(video, fps)[None].double().numpy()


def motion_features(video: SingleVideo, fps: float = math.nan) -> FeatureRows:
    """Histograms of velocity and acceleration along followed points, a row each 16 frames (Liu et al. 2024)."""
    return motion_histograms(look(video, fps))


def spectrum_features(video: SingleVideo, fps: float = math.nan) -> FeatureRows:
    """How strong each frequency of a clip's frame features is."""
    return spectrum(embed(video))


def motion_histograms(motion: Motion) -> FeatureRows:
    """Velocity and acceleration of a lattice of points that flow carries along, as histograms: `[segments, d]`.

    The maths is FVMD's: in cells of 4 frames and 5 x 5 points, 8 bins of angle weighted with log2(1 + magnitude).
    Points are carried by DIS flow, where the paper's are tracked by a network; and of all cells the mean and spread
    of each bin are kept, where the paper lines up the cells: 32 numbers need far fewer clips than 768. A clip below
    16 frames is not measurable and gives no row.
    """
    rows, columns = motion.luma.shape[1:]
    middles = (np.arange(POINTS) + 0.5) / POINTS
    lattice = np.stack(np.meshgrid(middles * columns - 0.5, middles * rows - 0.5), axis=-1)
    scale = np.array((NOTIONAL_SIDE / columns, NOTIONAL_SIDE / rows))
    found = []
    for start in range(0, motion.pairs - SEGMENT + 2, SEGMENT):
        places = [lattice]
        for flow in motion.forth[start : start + SEGMENT - 1]:
            places.append(places[-1] + _carried(flow, places[-1]))
        velocity = np.diff(np.stack(places) * scale, axis=0)
        found.append(np.concatenate((_histogram(velocity), _histogram(np.diff(velocity, axis=0)))))
    return np.stack(found) if found else np.zeros((0, 1))


def spectrum(embeddings: Embeddings) -> FeatureRows:
    """`[1, frequencies]`: how strong each frequency of the features over time is, as its logarithm (STREAM's idea, Kim
    et al. 2024). The constant part is left out; a frozen clip has nothing else. Below 4 frames there is no row.
    """
    vectors = embeddings.vectors.double().numpy()
    if len(vectors) < 4:
        return np.zeros((0, 1))
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    amplitude = np.linalg.norm(np.fft.rfft(vectors, axis=0)[1:], axis=1) / len(vectors)
    return np.log10(amplitude + LEAST_AMPLITUDE)[None]


SET_METRICS: dict[str, SetMetric] = {
    metric.name: metric
    for metric in (
        SetMetric(
            "transnet_distance",
            clip_features,
            CLIP_ENCODER,
            "Frechet distance of TransNetV2 clip features to real clips; not FVD",
        ),
        SetMetric(
            "frame_distance",
            frame_features,
            FRAME_ENCODER,
            "Frechet distance of EfficientNet-Lite0 frame features to real frames; not FID, and blind to time",
        ),
        SetMetric(
            "frame_kernel_distance",
            frame_features,
            FRAME_ENCODER,
            "kernel distance of EfficientNet-Lite0 frame features to real frames; not KID, and blind to time",
            measure=kernel_of_clips,
            components=None,
        ),
        SetMetric(
            "motion_distance",
            motion_features,
            "DIS flow",
            "Frechet distance of velocity and acceleration histograms to real clips; after FVMD, on DIS flow",
            components=None,
        ),
        SetMetric(
            "spectrum_distance",
            spectrum_features,
            FRAME_ENCODER,
            "Frechet distance of the spectra of frame features over time to real clips; after STREAM-T",
        ),
    )
}


def _carried(flow: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The flow at places between pixels."""
    x, y = (places[..., axis].astype(np.float32) for axis in (0, 1))
    return np.asarray(cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _histogram(vectors: np.ndarray) -> np.ndarray:
    """Angle histograms of `[frames, points, points, 2]` over cells: means, spreads; what fills no cell is left out."""
    frames, high, wide = CELL
    vectors = vectors[: len(vectors) // frames * frames]
    weight = np.minimum(np.log2(1.0 + np.hypot(vectors[..., 0], vectors[..., 1])), PEAK)
    angle = np.floor((np.arctan2(vectors[..., 1], vectors[..., 0]) / (2 * np.pi) % 1.0) * ANGLES).astype(int) % ANGLES
    bins = np.where(angle[..., None] == np.arange(ANGLES), weight[..., None], 0.0)
    cells = bins.reshape(-1, frames, POINTS // high, high, POINTS // wide, wide, ANGLES).mean(axis=(1, 3, 5))
    return np.concatenate((cells.mean(axis=(0, 1, 2)), cells.std(axis=(0, 1, 2))))

"""Published metrics, for whoever has their weights: FVD, cd-FVD, JEDi, and VBench.

The networks are not part of this package and nothing is fetched. A number made here is labelled with the network's
name and, where it came from a file, the file's SHA-256: two files of one name are then told apart.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.data.writer import write
from framefall.evaluate.metrics.suite import NamedVideo
from framefall.evaluate.sets.distribution import Distance, Measure, compare, frechet_of_clips
from framefall.flow import Clip
from framefall.video import to_pixels

I3D_FRAMES = 10  # the shortest clip that its pooling in time takes

Features = Callable[[Clip, float], Float[Tensor, " dim"]]  # (clip, frames a second) to one vector


@dataclass(frozen=True, eq=False)
class Detector:
    """The TorchScript I3D that FVD is computed with, as a feature function; `sha256` names the file."""

    network: Any
    name: str
    sha256: str

    @property
    def label(self) -> str:
        """Which network, and which file."""
        return f"{self.name} (sha256 {self.sha256[:16]})"

    def __call__(self, video: Clip, fps: float = math.nan) -> Float[Tensor, " dim"]:
        """One clip's features. The file itself resizes to 224 x 224, as FVD's reference does."""
        if video.shape[1] not in (1, 3) or video.shape[2] < I3D_FRAMES:
            raise ValueError(
                f"FVD needs clips of 1 or 3 channels and {I3D_FRAMES} frames or more, got {video.shape[1]} channels "
                f"and {video.shape[2]} frames; make longer clips, or use transnet_distance"
            )
        pixels = to_pixels(video.detach().cpu()).float().expand(-1, 3, -1, -1, -1)
        try:
            with torch.inference_mode():
                features = self.network(pixels, rescale=True, resize=True, return_features=True)
        except RuntimeError as error:
            said = str(error).strip().splitlines()[-1]
            raise ValueError(
                f"{self.name} must take (video, rescale, resize, return_features) as the I3D of FVD does, and it "
                f"failed: {said}; give the file that FVD's reference uses"
            ) from error
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 1:
            raise ValueError(f"{self.name} must give one vector a clip; give the file that FVD's reference uses")
        return features[0].float().clone()


def load_detector(path: str | Path) -> Detector:
    """Opens a TorchScript I3D detector (often named `i3d_torchscript.pt`).

    Such a file carries code, which runs when it is used: open only files whose origin you trust, and compare the
    SHA-256 with the one its publisher gives.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"the detector must be a TorchScript file, and there is none at {path}; check the path")
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{path} must be a TorchScript file (torch.jit.save), and it cannot be opened; give the file that FVD's "
            "reference uses"
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Detector(network, path.name, digest)


def fvd(
    generated: Iterable[tuple[Clip, float]], reference: Iterable[tuple[Clip, float]], detector: Detector, seed: int = 0
) -> Distance:
    """Frechet video distance (Unterthiner et al. 2018) of clips with their frames a second.

    Papers use 2,048 clips of 16 frames or more; the number depends on how many, how long, how fast and how large.
    """
    return frechet_with(generated, reference, detector, "fvd", detector.label, seed)


def frechet_with(
    generated: Iterable[tuple[Clip, float]],
    reference: Iterable[tuple[Clip, float]],
    features: Features,
    name: str,
    label: str,
    seed: int = 0,
    measure: Measure = frechet_of_clips,
) -> Distance:
    """A set distance with features of the caller's own; `label` says which network they come from.

    cd-FVD is this with VideoMAE features (name it "cd-fvd"), JEDi with V-JEPA features and `kernel_of_clips`.
    All of the features are compared, without a projection, as the papers do.
    """
    if not label:
        raise ValueError("label must name the network that the features come from, got none; give its name and version")
    rows = [[_row(features(video, fps)) for video, fps in clips] for clips in (generated, reference)]
    return compare(name, rows[0], rows[1], measure, label, None, seed)


def write_for_vbench(clips: Iterable[NamedVideo], folder: str | Path) -> str:
    """Writes clips as VBench's custom input expects them (one MP4 a clip) and gives the command to run there.

    The dimensions in the command are those that need no prompt. VBench is not part of this package.
    """
    folder = Path(folder)
    count = 0
    for name, video, fps in clips:
        if Path(name).name != name or not name:
            raise ValueError(f"a clip's name must do as a file's name, got {name!r}; rename it")
        grey_or_colour = video if video.shape[1] == 3 else video[:, :1].expand(-1, 3, -1, -1, -1)
        write(folder / f"{name}.mp4", [to_pixels(grey_or_colour[0]).permute(1, 2, 3, 0).numpy()], fps)
        count += 1
    if not count:
        raise ValueError(f"VBench needs one clip or more to judge, got none for {folder}; make clips first")
    return f"vbench evaluate --mode custom_input --videos_path {folder} --dimension {' '.join(VBENCH_DIMENSIONS)}"


VBENCH_DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)


def read_vbench(path: str | Path) -> dict[str, dict[str, float]]:
    """VBench's result file (`*_eval_results.json`): each dimension's score by clip, under the clip's name.

    The name of a dimension gets `vbench_` in front: our own numbers are made with other networks.
    """
    path = Path(path)
    try:
        results = json.loads(path.read_text())
        return {f"vbench_{dimension}": _by_clip(given) for dimension, given in results.items()}
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{path} must be a result file of VBench (dimension: [mean, [{{video_path, video_results}}]]), and it "
            "cannot be read as one; give the *_eval_results.json that it wrote"
        ) from error


def _by_clip(given: Sequence[Any]) -> dict[str, float]:
    clips: Sequence[Mapping[str, Any]] = given[1]
    return {Path(clip["video_path"]).stem: float(clip["video_results"]) for clip in clips}


def _row(features: Tensor) -> np.ndarray:
    return features.detach().cpu().double().reshape(1, -1).numpy()

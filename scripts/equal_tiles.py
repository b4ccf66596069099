"""How far tiles and segments of the spatial stage are from the whole, on a trained model and a real clip.

    python scripts/equal_tiles.py MODEL VIDEO

Prints JSON: the largest difference in 8-bit levels, in the arithmetic that generation uses.
"""

import json
import sys
from dataclasses import replace
from itertools import islice

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import numpy as np
import torch

from framefall.cascade import stage as stages
from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.tasks import SpatialSR
from framefall.data.media.decode import decode
from framefall.video import Video, from_pixels, to_pixels


def main(model: str, video: str) -> None:
    """Whole, in tiles of 128 pixels, in segments of 8 frames; and, as the control, the two without their margins."""
    cascade = load_cascade(model)
    pixels = np.stack([frame.pixels[:96, :128] for frame in islice(decode(video), 24)])
    low = from_pixels(torch.from_numpy(pixels)).permute(3, 0, 1, 2)[None]
    report = {}
    backbone = cascade.stage("spatial_sr").backbone
    whole = upscaled(cascade, low)
    for name, halo in (("with_margin", backbone.halo), ("control_without", (0, 0))):
        backbone.halo = halo
        stages._TILE, kept = 128, stages._TILE
        tiled = upscaled(cascade, low)
        stages._TILE = kept
        cut = upscaled(at_once(cascade, 8), low)
        report[name] = {"tiles": difference(whole, tiled), "segments": difference(whole, cut)}
    print(json.dumps(report, indent=2))


def upscaled(cascade: Cascade, low: Video) -> Video:
    """The finished clip."""
    events = cascade.upscale(iter([low]), stages=["spatial_sr"], fps=24.0, seed=1)
    return torch.cat([event.video for event in events if event.video is not None and event.stage is not None], dim=2)


def at_once(cascade: Cascade, frames: int) -> Cascade:
    """The same with so many frames of the spatial stage sampled at a time."""
    stage = cascade.stage("spatial_sr")
    assert isinstance(stage.task, SpatialSR)
    config = replace(stage.config, task=replace(stage.task, at_once=frames))
    return replace(cascade, stages=(replace(stage, config=config),))


def difference(one: Video, other: Video) -> float:
    """The largest, in 8-bit levels."""
    return float((to_pixels(one).int() - to_pixels(other).int()).abs().max())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

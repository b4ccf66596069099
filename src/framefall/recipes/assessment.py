"""Scores of clips on disk, and of a cascade's super-resolution on real ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade
from framefall.data import decode as decoder
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.decode import DecodeError
from framefall.data.folder import Folder
from framefall.data.scan import scan
from framefall.evaluate.suite import Row, measure, rows
from framefall.evaluate.superres import compare_spatial, compare_temporal
from framefall.video import from_pixels

NamedClip = tuple[str, Tensor, float]


@dataclass(frozen=True)
class Assessment:
    """The table, and the files that could not be read, with their reasons."""

    rows: list[Row]
    skipped: list[tuple[str, str]]


def assess(clips: str | Path, references: str | Path | None = None) -> Assessment:
    """Every metric on every clip; references are matched by file name, and give the floor of real video."""
    skipped: list[tuple[str, str]] = []
    known = {name: (video, fps) for name, video, fps in _read(references, skipped)} if references else None
    videos = {name: video for name, (video, _) in known.items()} if known is not None else None
    measured = measure(_read(clips, skipped), videos)
    if not measured:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3]) or "it has no video"
        raise ValueError(f"{clips} must hold at least one readable video, got none ({why})")
    real = measure((name, video, fps) for name, (video, fps) in known.items()) if known else []
    return Assessment(rows(measured, real), skipped)


def assess_superres(
    cascade: Cascade, folder: Folder, *, clips: int = 8, seed: int = 0, quality: str = "fast"
) -> list[Row]:
    """Real clips made small and few, given to the super-resolution stages, against blending and bicubic."""
    table: list[Row] = []
    for stage in cascade.stages:
        if stage.config.task == "base":
            continue
        shape, factor = stage.config.shape, stage.config.factor
        if stage.config.task == "temporal_sr":
            span = 2 * stage.config.intervals * factor + 1
            cut = loader.Window(frames=span, fps=shape.fps, height=shape.height, width=shape.width)
        else:
            cut = loader.Window(frames=8, fps=shape.fps, height=shape.height, width=shape.width, view="crop")
        real = [_named(index, clip) for index, clip in enumerate(loader.validation(folder, cut, clips, seed))]

        def run(low: Tensor, fps: float = shape.fps, name: str = stage.name) -> Tensor:  # more frames than came in
            done = cascade.upscale(iter([low]), fps=fps, stages=[name], seed=seed, quality=quality)
            return torch.cat(
                [event.video for event in done if event.video is not None and event.stage is not None], dim=2
            )

        compared = (
            compare_temporal(real, run, factor)
            if stage.config.task == "temporal_sr"
            else compare_spatial(real, run, factor)
        )
        table += [row.renamed(f"{stage.name}.{row.metric}") for row in compared]
    return table


def _named(index: int, clip: Clip) -> NamedClip:
    return f"{index:02d} {clip.key}", from_pixels(torch.from_numpy(clip.pixels))[None], clip.fps


def _read(path: str | Path | None, skipped: list[tuple[str, str]]) -> Iterator[NamedClip]:
    """The videos of a folder, or one file, decoded one at a time."""
    if path is None:
        return
    root = Path(path)
    if not root.exists():
        raise ValueError(f"clips must be a file or folder that exists, got {str(path)!r}")
    sources = [root] if root.is_file() else scan(root)
    for source in sources:
        try:
            frames = list(decoder.decode(source))
            fps = decoder.probe(source).fps or 24.0
        except DecodeError as error:
            skipped.append((source.name, str(error)))
            continue
        pixels = torch.from_numpy(np.stack([frame.pixels for frame in frames]))
        yield source.name, from_pixels(pixels).permute(3, 0, 1, 2)[None], fps

"""New clips into files, and real videos made longer and sharper: streamed from the stages to the encoder."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from framefall import publish
from framefall.cascade.cascade import Cascade, Event
from framefall.cascade.checkpoint import find
from framefall.data import decode as decoder
from framefall.data.sheet import contact_sheet
from framefall.data.writer import write
from framefall.evaluate.report.table import table, to_json
from framefall.models.engine import accelerated
from framefall.runs.evaluate import assess
from framefall.video import Video, from_pixels, to_pixels

Watch = Callable[[Iterator[Event]], Iterator[Event]]  # a progress bar is a wrapper around the events


@dataclass
class Record:
    """What a run made: enough to make it again."""

    path: str
    frames: int = 0
    fps: float = 0.0
    height: int = 0
    width: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # by stage; the rest is reading and encoding
    made_with: dict[str, str] = field(default_factory=dict)


def generate(
    cascade: Cascade,
    caption: str | None,
    path: str | Path,
    *,
    seed: int = 0,
    clip: str = "0",
    frames: int | None = None,
    quality: str = "fast",
    until: str | None = None,
    numbers: Sequence[float] | None = None,
    save_stages: str | Path | None = None,
    made_with: Mapping[str, str] | None = None,
    watch: Watch = iter,
) -> Record:
    """One new clip into `path`; with `save_stages` every stage's clip goes into that folder as well."""
    events = cascade.stream(
        [caption],
        seed=seed,
        frames=frames,
        quality=quality,
        until=until,
        clips=[clip],
        numbers=None if numbers is None else torch.tensor([[list(numbers)]]),
    )
    record = Record(path=str(path), fps=cascade.fps(until), made_with=dict(made_with or {}))
    last = cascade.stage(until) if until else cascade.stages[-1]
    kept: dict[str, list[np.ndarray]] = {}
    windows = _windows(_timed(watch(events), record), last.name, kept if save_stages else None)
    record.frames = write(path, _measured(windows, record), record.fps, record.made_with)
    for name, parts in kept.items():
        suffix = Path(path).suffix or ".mp4"
        write(
            Path(save_stages or ".") / f"{Path(path).stem}-{name}{suffix}", parts, cascade.fps(name), record.made_with
        )
    return record


def upscale(
    cascade: Cascade,
    source: str | Path,
    path: str | Path,
    *,
    space: int = 4,
    time: int = 4,
    seed: int = 0,
    quality: str = "fast",
    chunk: int = 16,
    made_with: Mapping[str, str] | None = None,
    watch: Watch = iter,
) -> Record:
    """A real video with `time` times the frames and `space` times the height and width; 1 leaves that as it is."""
    names = [_able(cascade, "temporal_sr", time, "time"), _able(cascade, "spatial_sr", space, "space")]
    stages = [name for name in names if name]
    if not stages:
        raise ValueError("upscaling must do something, got --space 1 --time 1; try --space 4")
    channels = cascade.stage(stages[0]).config.shape.channels
    info = decoder.probe(source)
    fps = info.fps or 24.0
    record = Record(path=str(path), fps=fps * time, made_with=dict(made_with or {}))
    chunks = _chunks(decoder.decode(source, fps=fps, channels=channels), chunk)
    events = cascade.upscale(chunks, fps=fps, stages=stages, seed=seed, quality=quality)
    windows = _windows(_timed(watch(events), record), stages[-1], None)
    record.frames = write(path, _measured(windows, record), record.fps, record.made_with)
    return record


def accelerate(cascade: Cascade) -> Cascade:
    """The same cascade with an engine, where one is installed (`models.engine`), for networks of several steps a clip.

    A network that is asked once or twice is done long before an engine is ready for its size.
    """
    stages = (
        replace(stage, backbone=accelerated(stage.backbone)) if stage.config.best.calls > 2 else stage
        for stage in cascade.stages
    )
    return replace(cascade, stages=tuple(stages))


def provenance(model: str | Path, seed: int, quality: str, caption: str | None = None) -> dict[str, str]:
    """What is written into a file's tags: that it is generated, by what, and how to make it again."""
    from framefall import __version__

    config = publish.sha256(find(model) / publish.MANIFEST)
    comment = {"generator": f"framefall {__version__}", "model": Path(model).name, "manifest_sha256": config}
    comment |= {
        "seed": str(seed),
        "quality": quality,
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
    return {"title": caption or "", "comment": json.dumps({"ai_generated": True, **comment, "prompt": caption})}


def _able(cascade: Cascade, task: str, factor: int, option: str) -> str | None:
    if factor == 1:
        return None
    able = {stage.config.factor: stage.name for stage in cascade.stages if stage.config.task == task}
    if factor not in able:
        known = ", ".join(map(str, sorted({1, *able})))
        raise ValueError(f"--{option} must be one of {known} with this model, got {factor}")
    return able[factor]


def _chunks(frames: Iterator[decoder.Frame], size: int) -> Iterator[Video]:
    for _, group in groupby(enumerate(frames), key=lambda pair: pair[0] // size):
        pixels = np.stack([frame.pixels for _, frame in group])
        yield from_pixels(torch.from_numpy(pixels)).permute(3, 0, 1, 2)[None]


def _windows(events: Iterator[Event], last: str, kept: dict[str, list[np.ndarray]] | None) -> Iterator[np.ndarray]:
    """The last stage's finished windows as pixels; finished windows of all stages are kept on the way if asked."""
    for event in events:
        if event.video is None or event.stage is None or (kept is None and event.stage.name != last):
            continue
        pixels = to_pixels(event.video[0]).permute(1, 2, 3, 0).cpu().numpy()
        if kept is not None:
            kept.setdefault(event.stage.name, []).append(pixels)
        if event.stage.name == last:
            yield pixels


def _measured(windows: Iterator[np.ndarray], record: Record) -> Iterator[np.ndarray]:
    for pixels in windows:
        record.height, record.width = pixels.shape[1:3]
        yield pixels


def _timed(events: Iterator[Event], record: Record) -> Iterator[Event]:
    began = time.perf_counter()
    for event in events:
        name = event.stage.name if event.stage else "decode"
        record.seconds[name] = record.seconds.get(name, 0.0) + time.perf_counter() - began
        yield event
        began = time.perf_counter()


def numbered(path: str | Path, count: int) -> Sequence[Path]:
    """The names of `count` clips: the name itself, or name-000, name-001, ..."""
    path = Path(path)
    return [path] if count == 1 else [path.with_name(f"{path.stem}-{index:03d}{path.suffix}") for index in range(count)]


def report(path: Path) -> tuple[str, dict[str, Any]]:
    """A contact sheet (.png) and scores (.json) of a finished clip, beside it; read back from the file, codec and all.

    Gives the scores as a table to read and as JSON values.
    """
    frames = np.stack([frame.pixels for frame in decoder.decode(path)])
    contact_sheet(frames[:: max(1, len(frames) // 15)], path.with_suffix(".png"))
    rows = assess(path).rows
    text = to_json(rows, {"clips": str(path)})
    with publish.file(path.with_suffix(".json")) as partial:
        partial.write_text(text)
    values: dict[str, Any] = json.loads(text)
    return table(rows), values

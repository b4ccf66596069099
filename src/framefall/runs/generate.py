"""New clips into files: streamed from the stages to the encoder, segment by segment."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from framefall import publish
from framefall.cascade.cascade import Cascade, SegmentStep
from framefall.cascade.checkpoint import find, load_cascade
from framefall.cascade.request import Quality, Request
from framefall.config import to_dict
from framefall.data.writer import VideoWriter, write
from framefall.models.engine import accelerated
from framefall.progress import Events, Note, operation
from framefall.runs.given import Given, knowing
from framefall.video import to_frames
from framefall.weights import DEFAULT


@dataclass(frozen=True, kw_only=True)
class Record:
    """A clip that was made: enough to make it again."""

    path: str
    frames: int
    fps: float
    height: int
    width: int
    seconds: dict[str, float] = field(default_factory=dict)  # by stage; the rest is reading and encoding
    made_with: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        seconds = ", ".join(f"{name} {value:.1f} s" for name, value in self.seconds.items())
        size = f"{self.frames} frames of {self.width}x{self.height} at {self.fps:g} a second"
        return f"{self.path}: {size} ({seconds})"


@operation
def generate(
    request: Request,
    output: str | Path,
    model: str | Path | Cascade = DEFAULT,
    *,
    given: Given | None = None,
    weaker: str | Path | Cascade | None = None,
    save_stages: str | Path | None = None,
    accelerate: bool = False,
    device: str | torch.device = "cpu",
) -> Events[list[Record]]:
    """Makes the clips of a request and writes each to `output` (several are numbered), whose suffix chooses the kind.

    `model` is a shipped name, the folder of a trained cascade, or a cascade, and so is `weaker`, an earlier checkpoint
    or a smaller model that guidance walks away from. `given` are images or videos that the clips are to hold, from
    files; it adds to what the request says is known. With `save_stages` the clips of all stages go into that folder as
    well. `accelerate` runs networks that are asked several times by OpenVINO, where that is installed. Equal requests
    give equal files. Raises `ValueError` for what the model cannot be asked.
    """
    cascade = model if isinstance(model, Cascade) else load_cascade(model, device)
    if weaker is not None:
        cascade = cascade.guided_by(weaker if isinstance(weaker, Cascade) else load_cascade(weaker, device))
    if request.size is not None:
        cascade, request = cascade.sized(*request.size), replace(request, size=None)
    if request.endless:
        raise ValueError("a file must have an end, got seconds=inf; give seconds, or read framefall.stream")
    if given is not None and not given.empty:
        request = yield from knowing(request, given, cascade)
    if accelerate:
        cascade = with_engines(cascade)
    made_with = provenance(model, request.seed, request.quality)
    if request.guidance is not None or weaker is not None:
        made_with["guidance"] = to_dict(request.guided(cascade.stages[0].sampling(request.quality).guidance))
    if weaker is not None:
        made_with["weaker"] = _named(weaker)
    records = []
    for one, path in zip(request.one_by_one(), numbered(output, len(request.captions)), strict=True):
        (caption,) = one.captions
        clip = ClipFile(path=path, fps=cascade.fps(one.until), made_with=tagged(made_with, caption), stages=save_stages)
        record = yield from write_clip(cascade.stream(one), cascade, one.until, clip)
        records.append(record)
        yield Note(str(record))
    return records


@dataclass(frozen=True, kw_only=True)
class ClipFile:
    """A file to be written."""

    path: Path
    fps: float
    made_with: Mapping[str, str] = field(default_factory=dict)
    stages: str | Path | None = None  # a folder for what every stage makes


def write_clip(events: Iterator[SegmentStep], cascade: Cascade, until: str | None, clip: ClipFile) -> Events[Record]:
    """Writes the last stage's segments as they come; the file is there when all of them are, or not at all."""
    last = cascade.stage(until) if until else cascade.stages[-1]
    kept: dict[str, list[np.ndarray]] = {}
    seconds: dict[str, float] = {}
    height = width = 0
    with VideoWriter(clip.path, clip.fps, clip.made_with) as writer:
        began = time.perf_counter()
        for event in events:
            name = event.stage.name if event.stage else "decode"
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
            if event.stage is not None and event.video is not None and (name == last.name or clip.stages is not None):
                pixels = to_frames(event.video)
                if clip.stages is not None:
                    kept.setdefault(name, []).append(pixels)
                if name == last.name:
                    writer.add(pixels)
                    height, width = pixels.shape[1:3]
            yield event
            began = time.perf_counter()
    for name, parts in kept.items():
        file = f"{clip.path.stem}-{name}{clip.path.suffix or '.mp4'}"
        write(Path(clip.stages or ".") / file, parts, cascade.fps(name), clip.made_with)
    return Record(
        path=str(clip.path),
        frames=writer.frames,
        fps=clip.fps,
        height=height,
        width=width,
        seconds=seconds,
        made_with=dict(clip.made_with),
    )


def with_engines(cascade: Cascade) -> Cascade:
    """The same cascade with an engine, where one is installed (`models.engine`), for networks of several steps a clip.

    A network that is asked once or twice is done long before an engine is ready for its size.
    """
    stages = (
        replace(stage, backbone=accelerated(stage.backbone)) if stage.config.best.calls > 2 else stage
        for stage in cascade.stages
    )
    return replace(cascade, stages=tuple(stages))


def provenance(model: str | Path | Cascade, seed: int, quality: Quality) -> dict[str, Any]:
    """What made a file and how to make it again: generator, model and its hash, seed, quality, torch, processor."""
    from framefall import __version__

    return {
        "ai_generated": True,
        "generator": f"framefall {__version__}",
        **_named(model),
        "seed": str(seed),
        "quality": quality,
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def _named(model: str | Path | Cascade) -> dict[str, str]:
    if isinstance(model, Cascade):
        return {"model": model.config.name}
    return {"model": Path(model).name, "manifest_sha256": publish.sha256(find(model) / publish.MANIFEST)}


def tagged(made_with: Mapping[str, Any], caption: str | None = None) -> dict[str, str]:
    """The tags of a file: its title, and a comment that says that it is generated, and how."""
    return {"title": caption or "", "comment": json.dumps({**made_with, "prompt": caption})}


def numbered(path: str | Path, count: int) -> Sequence[Path]:
    """The names of `count` clips: the name itself, or name-000, name-001, ..."""
    path = Path(path)
    return [path] if count == 1 else [path.with_name(f"{path.stem}-{index:03d}{path.suffix}") for index in range(count)]

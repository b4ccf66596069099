"""New clips into files: streamed from the stages to the encoder, segment by segment."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from framefall import checks
from framefall.cascade.about.vocabulary import Doubt, doubt
from framefall.cascade.cascade import Cascade, SegmentStep
from framefall.cascade.kept import keeping
from framefall.cascade.keyframes import plan
from framefall.cascade.lengths import frame_counts
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import find, load_cascade
from framefall.cascade.uses import Canvas
from framefall.data.fields.field import Field
from framefall.data.fields.formats import format_of
from framefall.data.media.writer import PICTURE, VideoWriter, one_frame_only, video_output
from framefall.memory import size_of
from framefall.models.engine import accelerated
from framefall.outputs import Output, check_together
from framefall.progress import Events, Note, operation
from framefall.runs.generation import fields
from framefall.runs.generation.given import Given, knowing
from framefall.runs.generation.tags import named, provenance, tagged
from framefall.runs.generation.workload import SMALL, announced, pixels
from framefall.video import Video, to_frames
from framefall.weights import DEFAULT


@dataclass(frozen=True, kw_only=True)
class Record:
    """A clip that was made: enough to make it again."""

    path: str
    frames: int
    fps: float
    height: int
    width: int
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)  # by stage; the rest is reading and encoding
    made_with: dict[str, str] = dataclasses.field(default_factory=dict)
    members: int = 1  # of an ensemble that is one file
    doubt: Doubt | None = None  # what of its prompt the model does not know

    def __str__(self) -> str:
        seconds = ", ".join(f"{name} {value:.1f} s" for name, value in self.seconds.items())
        size = f"{self.frames} frames of {self.width}x{self.height} at {self.fps:g} a second"
        return f"{self.path}: {f'{self.members} members of ' if self.members > 1 else ''}{size} ({seconds})"


@operation
def generate(
    request: Request,
    output: str | Path,
    model: str | Path | Cascade = DEFAULT,
    *,
    given: Given | None = None,
    weaker: str | Path | Cascade | None = None,
    lora: str | Path | None = None,
    text: str | Path | None = None,
    batch: int = 1,
    candidates: int = 1,
    save_stages: str | Path | None = None,
    accelerate: bool = False,
    memory: str | int | None = None,
    overwrite: bool = False,
    device: str | torch.device = "cpu",
) -> Events[list[Record]]:
    """Makes the clips of a request and writes each to `output` (several are numbered), whose suffix chooses the kind.

    `model` is a shipped name, the folder of a trained cascade, or a cascade, and so is `weaker`, an earlier checkpoint
    or a smaller model that guidance walks away from. `lora` is the folder of a LoRA of the model, and `text`
    that of its text tower, if it was trained with another than the one that comes with Framefall.
    `given` are images or videos that the clips are to hold, from
    files; it adds to what the request says is known. With `save_stages` the clips of all stages go into that folder as
    well. `accelerate` runs networks that are asked several times by OpenVINO, where that is installed. What a prompt
    says that the model does not know is noted, and stands in the record.

    Clips are made one by one, and equal requests give equal files (exact). A `batch` above 1 makes so many together,
    which is faster where networks are small; each is then what it is alone up to rounding (decision 28). With
    `candidates` the base draws so many clips for each that is asked for, and the one is made whole that shows most of
    its caption and keeps most of the laws of motion (`candidates.choose`); its name stands in the file. What takes
    long says so before it begins, in a `Note`, and is done in pieces that keep the process below `memory` ("4GB", by
    default half of what is free); the result is the same. A long clip keeps its finished windows beside its file until
    that is whole: if the run is killed or fails, the same call goes on from them (decision 36).

    Files that are there are replaced if Framefall made them and nobody has changed them since; `overwrite` replaces
    others as well. Raises `ValueError` for that, and for what the model cannot be asked.
    """
    checks.whole("batch", batch, 1)
    checks.whole("candidates", candidates, 1)
    cascade, made_with = loaded(model, lora, accelerate, device, text)
    making = Making(
        made_with=made_with,
        given=given,
        weaker=weaker,
        batch=batch,
        candidates=candidates,
        save_stages=save_stages,
        accelerate=accelerate,
        memory=size_of(memory),
        overwrite=overwrite,
        sources=(*(() if isinstance(model, Cascade) else (find(model),)), *(() if lora is None else (Path(lora),))),
    )
    records = yield from make(request, output, cascade, making)
    return records


def loaded(
    model: str | Path | Cascade,
    lora: str | Path | None,
    accelerate: bool,
    device: str | torch.device,
    text: str | Path | None = None,
) -> tuple[Cascade, dict[str, Any]]:
    """The cascade that makes clips, and what their tags say of it."""
    cascade = model if isinstance(model, Cascade) else load_cascade(model, device)
    cascade = cascade if text is None else cascade.with_text(text)
    cascade = cascade if lora is None else cascade.with_lora(lora)
    made_with = provenance(cascade, None if isinstance(model, Cascade) else model, device)
    made_with |= {} if lora is None else {"lora": Path(lora).name}
    return cascade, made_with | ({"accelerate": True} if accelerate else {})


@dataclass(frozen=True, kw_only=True)
class Making:
    """How clips are made, beside what is asked for."""

    made_with: Mapping[str, Any]  # for their tags
    given: Given | None = None
    weaker: str | Path | Cascade | None = None
    batch: int = 1
    candidates: int = 1
    save_stages: str | Path | None = None
    accelerate: bool = False
    memory: int | None = None  # bytes that the process may have; by default half of what is free
    overwrite: bool = False
    sources: tuple[Path, ...] = ()  # what is read beside that


def make(request: Request, output: str | Path, cascade: Cascade, how: Making) -> Events[list[Record]]:
    """Makes and writes the clips of a request."""
    if request.endless:
        raise ValueError("a file must have an end, got seconds=inf; give seconds, or read framefall.stream")
    asked = list(request.one_by_one())  # as it stands in the tags
    field, written = cascade.config.field, list[Output]()
    if field is not None and format_of(output) is not None:
        written = fields.outputs(output, len(asked), overwrite=how.overwrite, sources=_sources(how))
        if how.save_stages is not None:
            raise ValueError("stages of fields are kept one at a time; leave --save-stages out, and take --until")
        each = written if len(written) == len(asked) else written * len(asked)
        fps = cascade.fps(request.until)
        files = [ClipFile(output=one, fps=fps, field=field, into=fields.Collected()) for one in each]
    else:
        if field is not None:
            fields.check_shown(field, Path(output))
        files = _files(numbered(output, len(asked)), cascade, request, how)
    doubts = {caption: _doubt(caption, cascade) for caption in dict.fromkeys(request.captions)}
    for found in doubts.values():
        if found is not None:
            yield Note(found.sentence)
    made_with = dict(how.made_with)
    if how.weaker is not None:
        weaker = how.weaker if isinstance(how.weaker, Cascade) else load_cascade(how.weaker, cascade.stages[0].device)
        made_with["weaker"] = named(weaker, None if isinstance(how.weaker, Cascade) else how.weaker)
        cascade = cascade.guided_by(weaker)
    if request.size is not None:
        cascade, request = cascade.sized(*request.size), replace(request, size=None)
    if how.given is not None and not how.given.empty:
        made_with["given"] = how.given.record()
        request = yield from knowing(request, how.given, cascade)
    if (
        not written
        and files[0].path.suffix.lower() == PICTURE
        and frame_counts(cascade.up_to(request.until), request)[-1] != 1
    ):
        raise ValueError(one_frame_only(files[0].path))
    cascade = yield from announced(cascade, request, how.batch, how.memory)
    if how.accelerate:
        cascade = with_engines(cascade)
    records = []
    for first in range(0, len(asked), how.batch):
        group = range(first, min(first + how.batch, len(asked)))
        part = request.part(slice(group.start, group.stop))
        if how.candidates > 1:
            from framefall.runs.generation.candidates import choose  # its judge is a second of imports

            part = yield from choose(part, cascade, how.candidates)
            for one, name in zip(group, part.clips, strict=True):
                asked[one] = replace(asked[one], names=(name,))
        tags = {**made_with, **({"batch": len(group)} if len(group) > 1 else {})}
        clips = [replace(files[one], made_with=tagged(tags, asked[one])) for one in group]
        made = yield from _resumed(part, cascade, clips)
        for one, record in zip(group, made, strict=True):
            records.append(replace(record, doubt=doubts[asked[one].captions[0]]))
            if not written:
                yield Note(str(record))
    if field is not None and written:
        records = yield from _write_fields(request, cascade, field, how, written, files, records)
    return records


def _write_fields(
    request: Request,
    cascade: Cascade,
    field: Field,
    how: Making,
    written: Sequence[Output],
    clips: Sequence["ClipFile"],
    records: Sequence["Record"],
) -> Events[list["Record"]]:
    """Writes clips of fields, of which one file may hold all."""
    made = [clip.into for clip in clips if clip.into is not None]
    video = None if how.given is None else how.given.video
    path = video if isinstance(video, str | Path) else None
    start = request.known[0].start if request.known else 0.0
    where = fields.place(path, field, Canvas.of(cascade, request.until), made[0].size, start)
    tags = [record.made_with for record in records]
    for sentence in fields.write(written, made, field, where, clips[0].fps, tags):
        yield Note(sentence)
    if len(written) < len(records):
        records = [replace(records[0], members=len(records), seconds=_together(records))]
    for record in records:
        yield Note(str(record))
    return list(records)


def _together(records: Sequence["Record"]) -> dict[str, float]:
    """The seconds of all, by stage."""
    return {name: sum(one.seconds.get(name, 0.0) for one in records) for name in records[0].seconds}


def _resumed(request: Request, cascade: Cascade, clips: Sequence["ClipFile"]) -> Events[list[Record]]:
    """The files of a request's clips, from the windows on that a run that was ended has finished."""
    if clips[0].into is not None or not _long(request, cascade):  # a window is kept as bytes, which a field is not
        made = yield from write_clips(cascade.stream(request), cascade, request.until, clips)
        return made
    key = hashlib.sha256(json.dumps([dict(clip.made_with) for clip in clips]).encode()).hexdigest()
    with keeping(clips[0].output.place, key) as kept:
        if kept.found:
            yield Note(f"{clips[0].path}: going on from {kept.found} finished windows of a run that was ended")
        made = yield from write_clips(cascade.stream(request, kept), cascade, request.until, clips)
    return made


def _long(request: Request, cascade: Cascade) -> bool:
    """Whether clips take several windows, or are large."""
    stages = cascade.up_to(request.until)
    counts = frame_counts(stages, request)
    windows = (window for window in plan(stages[0], request, counts[0]) if window.frames)
    return len(list(islice(windows, 2))) > 1 or pixels(stages, counts) > SMALL


def _files(paths: Sequence[Path], cascade: Cascade, request: Request, how: Making) -> list["ClipFile"]:
    """Where the clips go, and those of their stages: all are looked at before any of them is made."""
    sources = _sources(how)

    def output(path: Path) -> Output:
        return video_output(path, overwrite=how.overwrite, sources=sources)

    names = [stage.name for stage in cascade.up_to(request.until)] if how.save_stages is not None else []
    files = [
        ClipFile(
            output=output(path),
            fps=cascade.fps(request.until),
            field=cascade.config.field,
            stages={
                name: output(Path(how.save_stages or ".") / f"{path.stem}-{name}{path.suffix or '.mp4'}")
                for name in names
            },
        )
        for path in paths
    ]
    check_together([one for file in files for one in (file.output, *file.stages.values())])
    return files


def _sources(how: Making) -> tuple[Path, ...]:
    """All that is read for the clips."""
    given = () if how.given is None else how.given.files
    weaker = () if how.weaker is None or isinstance(how.weaker, Cascade) else (find(how.weaker),)
    return *how.sources, *given, *weaker


def _doubt(caption: str | None, cascade: Cascade) -> Doubt | None:
    """What of a caption the base does not know."""
    base = cascade.stages[0]
    known = None if cascade.card is None else cascade.card.stages.get(base.name)
    return doubt(caption, cascade.config.name, known, bool(base.config.backbone.text_dim))


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFile:
    """A file to be written."""

    output: Output
    fps: float
    made_with: Mapping[str, str] = dataclasses.field(default_factory=dict)
    stages: Mapping[str, Output] = dataclasses.field(default_factory=dict)  # where what every stage makes goes, by name
    field: Field | None = None  # what its channels are, where it is no video
    into: fields.Collected | None = None  # what holds its frames instead of an encoder

    @property
    def path(self) -> Path:
        """Its name."""
        return self.output.path

    def writer(self) -> VideoWriter | fields.Collected:
        """What takes its frames."""
        return VideoWriter(self.output, self.fps, self.made_with) if self.into is None else self.into

    def pixels(self, video: Video) -> np.ndarray:
        """A segment of one clip as a file shows it."""
        return to_frames(video) if self.field is None else fields.coloured(video)


def write_clip(events: Iterator[SegmentStep], cascade: Cascade, until: str | None, clip: ClipFile) -> Events[Record]:
    """Writes the last stage's segments as they come; the file is there when all of them are, or not at all."""
    (record,) = yield from write_clips(events, cascade, until, [clip])
    return record


def write_clips(
    events: Iterator[SegmentStep], cascade: Cascade, until: str | None, clips: Sequence[ClipFile]
) -> Events[list[Record]]:
    """The same for clips that are made together, a file each. Of seconds each has its share."""
    last = cascade.stage(until) if until else cascade.stages[-1]
    keeps = any(clip.stages for clip in clips)
    seconds: dict[str, float] = {}
    with ExitStack() as files:
        writers = [clip.writer() for clip in clips]
        for writer in writers:
            files.enter_context(writer)
        parts: dict[tuple[ClipFile, str], VideoWriter] = {}
        began = time.perf_counter()
        for event in events:
            name = event.stage.name if event.stage else "decode"
            seconds[name] = seconds.get(name, 0.0) + (time.perf_counter() - began) / len(clips)
            if event.stage is not None and event.video is not None and (name == last.name or keeps):
                for clip, writer, video in zip(clips, writers, event.video.split(1), strict=True):
                    if isinstance(writer, fields.Collected):
                        writer.add(video)
                        continue
                    pixels = clip.pixels(video)
                    if clip.stages:
                        if (clip, name) not in parts:
                            part = VideoWriter(clip.stages[name], cascade.fps(name), clip.made_with)
                            parts[clip, name] = files.enter_context(part)
                        parts[clip, name].add(pixels)
                    if name == last.name:
                        first = not writer.frames
                        writer.add(pixels)
                        if first and writer.note:
                            yield Note(writer.note)
            yield event
            began = time.perf_counter()
    return [
        Record(
            path=str(clip.path),
            frames=writer.frames,
            fps=clip.fps,
            height=writer.size[0],
            width=writer.size[1],
            seconds=seconds,
            made_with=dict(clip.made_with),
        )
        for clip, writer in zip(clips, writers, strict=True)
    ]


def with_engines(cascade: Cascade) -> Cascade:
    """The same cascade with an engine, where one is installed (`models.engine`), for networks of several steps a clip.

    A network that is asked once or twice is done long before an engine is ready for its size.
    """
    stages = (
        replace(stage, backbone=accelerated(stage.backbone), few=stage.few and accelerated(stage.few))
        if stage.config.best.calls > 2
        else stage
        for stage in cascade.stages
    )
    return replace(cascade, stages=tuple(stages))


def numbered(path: str | Path, count: int) -> Sequence[Path]:
    """The names of `count` clips: the name itself, or name-000, name-001, ..."""
    path = Path(path)
    return [path] if count == 1 else [path.with_name(f"{path.stem}-{index:03d}{path.suffix}") for index in range(count)]

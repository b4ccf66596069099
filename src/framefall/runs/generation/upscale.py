"""Real videos made longer in frames and sharper in space."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality
from framefall.cascade.saved.checkpoint import find, load_cascade
from framefall.data.fields.formats import format_of
from framefall.data.media import decode as decoder
from framefall.data.media.writer import PICTURE, one_frame_only, video_output
from framefall.memory import size_of
from framefall.progress import Events, Note, operation
from framefall.runs.generation import fields
from framefall.runs.generation.generate import ClipFile, Record, write_clip
from framefall.runs.generation.tags import provenance, tagged
from framefall.runs.generation.workload import bounded
from framefall.video import Video, from_pixels
from framefall.weights import FILMED

CHUNK = 16  # frames that are decoded at a time


@operation
def upscale(
    source: str | Path,
    output: str | Path,
    model: str | Path | Cascade = FILMED,
    *,
    space: int = 4,
    time: int = 4,
    seed: int = 0,
    quality: Quality = "fast",
    memory: str | int | None = None,
    overwrite: bool = False,
    device: str | torch.device = "cpu",
) -> Events[Record]:
    """A real video with `time` times the frames and `space` times the height and width; 1 leaves that as it is.

    Of `n` frames (n - 1) * time + 1 are made; the given ones stay as they are. What takes long says so before it
    begins, in a `Note`, and is done in pieces that keep the process below `memory` ("4GB", by default half of what is
    free); the result is the same. Raises `ValueError` for factors that the model does not have, for what does not fit
    into memory, for a file at `output` that Framefall did not make unless `overwrite` is set, and for a source that is
    the output; `DecodeError` for a source that cannot be read.
    """
    limit, read = size_of(memory), [source, *([] if isinstance(model, Cascade) else [find(model)])]
    cascade = model if isinstance(model, Cascade) else load_cascade(model, device)
    field = cascade.config.field
    if field is not None and format_of(output) is not None:
        (written,) = fields.outputs(output, 1, overwrite=overwrite, sources=read)
        into: fields.Collected | None = fields.Collected()
    else:
        written, into = video_output(output, overwrite=overwrite, sources=read), None
    names = [_able(cascade, "time", time), _able(cascade, "space", space)]
    stages = [name for name in names if name]
    if not stages:
        raise ValueError("upscaling must do something, got --space 1 --time 1; try --space 4")
    made_with = provenance(cascade, None if isinstance(model, Cascade) else model, device)
    made_with |= {"seed": str(seed), "quality": quality}
    if field is not None:
        fields.check_shown(field, written.path)
        given = fields.whole(source, field)
        yield from map(Note, given.said)
        count, fps, size = len(given.places), given.fps(field), given.recording.size
        chunks = given.chunks(field, CHUNK)
    else:
        channels = cascade.stage(stages[0]).config.shape.channels
        info = decoder.probe(source)
        fps, longest = info.fps or 24.0, decoder.Limits().seconds
        if info.duration > longest:
            raise ValueError(f"{source} must last at most {longest:g} s, got {info.duration:g} s; cut it first")
        count, size = max(1, round(info.duration * fps)), (info.height, info.width)
        if written.path.suffix.lower() == PICTURE and count > 1:
            raise ValueError(one_frame_only(written.path))
        chunks = _chunks(decoder.decode(source, fps=fps, channels=channels), CHUNK)
    cascade = yield from bounded(cascade, stages, size, count, quality, limit)
    events = cascade.upscale(chunks, fps=fps, stages=stages, seed=seed, quality=quality)
    clip = ClipFile(output=written, fps=fps * time, made_with=tagged(made_with), field=field, into=into)
    record = yield from write_clip(events, cascade, stages[-1], clip)
    if field is not None and into is not None:
        where = fields.enlarged(given, field, (space, time))
        yield from map(Note, fields.write([written], [into], field, where, clip.fps, [clip.made_with]))
    return record


def _able(cascade: Cascade, axis: Literal["time", "space"], factor: int) -> str | None:
    """The stage that multiplies an axis by a factor; none is needed for 1."""
    if factor == 1:
        return None
    factors = {
        stage.task.time_factor if axis == "time" else stage.task.space_factor: stage.name for stage in cascade.stages
    }
    if factor not in factors:
        known = ", ".join(map(str, sorted({1, *factors})))
        raise ValueError(f"--{axis} must be one of {known} with this model, got {factor}")
    return factors[factor]


def _chunks(frames: Iterator[decoder.Frame], size: int) -> Iterator[Video]:
    for _, group in groupby(enumerate(frames), key=lambda pair: pair[0] // size):
        pixels = np.stack([frame.pixels for _, frame in group])
        yield from_pixels(torch.from_numpy(pixels)).permute(3, 0, 1, 2)[None]

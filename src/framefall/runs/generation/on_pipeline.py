"""Clips whose base is a text-to-video pipeline of diffusers, made longer and larger by a cascade's super-resolution."""

import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import find, load_cascade
from framefall.cascade.stage import Stage
from framefall.data.media.writer import PICTURE, VideoWriter, one_frame_only, video_output
from framefall.interop.pipelines import TextToVideo, open_pipeline
from framefall.memory import size_of
from framefall.noise import Key
from framefall.outputs import check_together
from framefall.progress import Events, Note, Stepped, operation
from framefall.runs.generation.generate import ClipFile, Record, numbered
from framefall.runs.generation.tags import plain, provenance, tagged
from framefall.runs.generation.workload import bounded
from framefall.video import Video, to_frames
from framefall.weights import FILMED

BASE = "base"  # the name of what a pipeline makes, as of a cascade's own first stage
FAST = 25  # steps of a pipeline; the best are its own


@operation
def generate_on(
    request: Request,
    output: str | Path,
    base: str | Path,
    model: str | Path | Cascade = FILMED,
    *,
    memory: str | int | None = None,
    overwrite: bool = False,
    device: str | torch.device = "cpu",
) -> Events[list[Record]]:
    """Makes the clips of a request by the pipeline in the folder `base`, and by the super-resolution of `model`.

    Each clip is what it would be alone; equal requests give equal clips. Length and size are those of the finished
    clip; what the request leaves open is as the pipeline has it. `until="base"` keeps what the pipeline makes.
    `memory` and `overwrite` are as in `generate`. Raises `ValueError` for what a pipeline cannot be asked.
    """
    _check(request)
    cascade = model if isinstance(model, Cascade) else load_cascade(model, device)
    sources = [base, *([] if isinstance(model, Cascade) else [find(model)])]
    paths = numbered(output, len(request.captions))
    outputs = [video_output(path, overwrite=overwrite, sources=sources) for path in paths]
    check_together(outputs)
    stages = _stages(cascade, request.until)
    limit = size_of(memory)
    pipeline = open_pipeline(base, device)
    if paths[0].suffix.lower() == PICTURE and request.length(_fps(pipeline, stages)) != 1:
        raise ValueError(one_frame_only(paths[0]))
    made_with = provenance(cascade, None if isinstance(model, Cascade) else model, device)
    made_with["base"] = {"pipeline": pipeline.name, "folder": plain(Path(base)), "sha256": pipeline.sha256}
    made_with["versions"] |= {name: version(name) for name in ("diffusers", "transformers")}
    records = []
    for one, written in zip(request.one_by_one(), outputs, strict=True):
        clip = ClipFile(output=written, fps=_fps(pipeline, stages), made_with=tagged(made_with, one))
        record = yield from _made(one, clip, pipeline, cascade, stages, limit)
        yield Note(str(record))
        records.append(record)
    return records


def _made(
    request: Request,
    clip: ClipFile,
    pipeline: TextToVideo,
    cascade: Cascade,
    stages: Sequence[Stage],
    limit: int | None,
) -> Events[Record]:
    """One clip in its file."""
    (caption,), (name,) = request.captions, request.clips
    wanted = request.length(clip.fps)
    began, seconds = time.perf_counter(), dict[str, float]()
    small: Video | None = None
    for event in pipeline.clip(
        caption,
        Key(request.seed, "pipeline", name),
        frames=_needed(wanted, stages),
        size=_small(request, stages),
        steps=FAST if request.quality == "fast" else None,
        guidance=request.guidance if isinstance(request.guidance, int | float) else None,
    ):
        if isinstance(event, tuple):
            done, total = event
            yield Stepped(done, total, BASE)
        else:
            small = event
    assert small is not None
    seconds[BASE] = time.perf_counter() - began
    names = [stage.name for stage in stages]
    if stages:
        size = small.shape[-2], small.shape[-1]
        cascade = yield from bounded(cascade, names, size, small.shape[2], request.quality, limit)
    with VideoWriter(clip.output, clip.fps, clip.made_with) as writer:
        for video in _finished(small, names, cascade, request, pipeline.fps):
            if isinstance(video, Stepped):
                yield video
                continue
            left = video.shape[2] if wanted is None else wanted - writer.frames
            if left > 0:
                writer.add(to_frames(video[:, :, :left]))
    if stages:
        seconds["super-resolution"] = time.perf_counter() - began - seconds[BASE]
    height, width = writer.size
    return Record(
        path=str(clip.path),
        frames=writer.frames,
        fps=clip.fps,
        height=height,
        width=width,
        seconds=seconds,
        made_with=dict(clip.made_with),
    )


def _finished(
    small: Video, names: Sequence[str], cascade: Cascade, request: Request, fps: float
) -> Iterator[Stepped | Video]:
    """The finished clip piece by piece, and the steps before each."""
    if not names:
        yield small
        return
    (name,) = request.clips
    for event in cascade.upscale(
        iter([small]), stages=names, fps=fps, seed=request.seed, clip=name, quality=request.quality
    ):
        yield event
        if event.stage is not None and event.stage.name == names[-1] and event.video is not None:
            yield event.video


def _stages(cascade: Cascade, until: str | None) -> list[Stage]:
    """The super-resolution of a cascade, up to the stage of a name."""
    found = [stage for stage in cascade.stages if stage.task.super_resolution]
    names = [BASE, *(stage.name for stage in found)]
    if until is not None and until not in names:
        raise ValueError(f"a stage must be one of {', '.join(names)}; got {until!r}")
    chosen = found if until is None else found[: names.index(until)]
    for stage in chosen:
        if stage.config.shape.channels != 3:
            raise ValueError(
                f"a pipeline makes 3 channels, and {stage.name} takes {stage.config.shape.channels}; try --until {BASE}"
            )
    return chosen


def _fps(pipeline: TextToVideo, stages: Sequence[Stage]) -> float:
    fps = pipeline.fps
    for stage in stages:
        fps *= stage.task.time_factor
    return fps


def _needed(wanted: int | None, stages: Sequence[Stage]) -> int | None:
    """Frames that a pipeline must make for a clip of `wanted`."""
    for stage in reversed(stages):
        if wanted is not None and (factor := stage.task.time_factor) > 1:
            wanted = -(-(wanted - 1) // factor) + 1
    return wanted


def _small(request: Request, stages: Sequence[Stage]) -> tuple[int, int] | None:
    """Height and width that a pipeline must make for a clip of the size that is asked for."""
    if request.size is None:
        return None
    height, width = request.size
    for stage in reversed(stages):
        factor = stage.task.space_factor
        if height % factor or width % factor:
            given = f"{request.size[1]}x{request.size[0]}"
            raise ValueError(f"size must be a multiple of {factor} for {stage.name}, got {given}")
        height, width = height // factor, width // factor
    return height, width


def _check(request: Request) -> None:
    """Refuses what a pipeline cannot be asked."""
    given = {"numbers": request.numbers is not None, "prompts_at": request.prompts_at, "known": request.known}
    given |= {"strength": request.strength < 1, "loop": request.loop}
    for name in (name for name, there in given.items() if there):
        raise ValueError(f"a pipeline of diffusers as a base takes no {name}; leave it out, or name a model instead")
    if request.endless:
        raise ValueError("a file must have an end, got seconds=inf; give seconds")
    if request.guidance is not None and not isinstance(request.guidance, int | float):
        raise ValueError("a pipeline of diffusers takes a scale of guidance alone; give a number such as 6")

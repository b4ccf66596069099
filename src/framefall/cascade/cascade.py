"""Stages in a row: each hands its finished frames to the next, window by window."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from framefall.cascade.conditioning import Window, frame_seconds
from framefall.cascade.consistency import match_blocks
from framefall.cascade.stage import Sampling, Stage, StageConfig
from framefall.diffusion.samplers import Step
from framefall.models.backbone import Condition
from framefall.models.text import encode, words
from framefall.noise import Key
from framefall.video import Video


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """A cascade without its weights; `stages` are in the order in which they run."""

    name: str
    stages: dict[str, StageConfig]
    license: str = "Apache-2.0"
    description: str = ""
    trained_on: list[str] = field(default_factory=list)  # what the clips were and where they came from

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a cascade must have a stage, got none; try one named base")
        for name in self.stages:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):  # it becomes the name of a file
                raise ValueError(f"a stage's name must be made of letters, digits, _ and -, got {name!r}; try base")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One step of one window of one stage. `video` is there when the window is finished."""

    stage: Stage | None  # None: frames of a real video, on their way into the first stage
    frames: range  # absolute numbers of the frames that this window hands on
    step: Step | None
    video: Video | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """A row of stages. Everything that reads it (command line, studio, tests) reads `stream`."""

    config: CascadeConfig
    stages: tuple[Stage, ...]

    def stream(
        self,
        captions: Sequence[str | None],
        *,
        seed: int = 0,
        frames: int | None = None,
        quality: str = "fast",
        until: str | None = None,
        numbers: Tensor | None = None,
        clips: Sequence[str] | None = None,
        given: Video | None = None,
    ) -> Iterator[Event]:
        """Every step of every stage for one new clip a caption, as it happens.

        `frames` is met exactly; by default it is what the last stage makes. `until` names the last stage
        to run. `clips` names the clips (default: 0, 1, ...): a clip's noise depends on its name and on
        `seed`, not on its neighbours. `given` are first frames `[captions, channels, given, height, width]` that
        the base stage goes on from; they stay as they are.
        """
        stages = self._until(until)
        if stages[0].config.task != "base":
            raise ValueError(
                f"generating needs a base stage first, this cascade begins with {stages[0].name}; use upscale"
            )
        if not captions or (clips is not None and len(clips) != len(captions)):
            counts = f"{len(captions)} captions and {'no' if clips is None else len(clips)} names"
            raise ValueError(f"there must be a caption a clip, and a name for each if names are given; got {counts}")
        keys = [Key(seed, "sample", name) for name in clips or [str(index) for index in range(len(captions))]]
        takes = getattr(stages[0].config.backbone, "numbers", 0)
        if numbers is not None and numbers.shape[-1] != takes:
            raise ValueError(f"this model takes {takes} numbers, got {numbers.shape[-1]}; give as many, or none")
        if takes and numbers is None:
            numbers = torch.zeros(len(keys), 1, takes)
        reads = any(getattr(stage.config.backbone, "text_dim", 0) for stage in stages)
        text, mask = _words(captions, stages) if reads else (None, None)
        told = Condition(seconds=torch.zeros(len(keys), 1), text=text, text_mask=mask, numbers=numbers)
        if given is not None and not 0 < given.shape[2] <= stages[0].config.known:
            raise ValueError(
                f"this model can go on from up to {stages[0].config.known} given frames, got {given.shape[2]};"
                " train its base stage with `known` above 0"
            )
        events: Iterator[Event] = iter(()) if given is None else _real(iter([given]))
        below = None
        for stage, total in zip(stages, _frame_counts(stages, frames), strict=True):
            sampling, fps = stage.sampling(quality), stage.config.shape.fps
            run = _Run(stage=stage, below=below, total=total, sampling=sampling, fps=fps, told=told, keys=keys)
            events, below = _stream(run, events), stage
        return events

    def upscale(
        self,
        chunks: Iterator[Video],
        *,
        stages: Sequence[str],
        fps: float,
        seed: int = 0,
        clip: str = "0",
        quality: str = "fast",
    ) -> Iterator[Event]:
        """Super-resolution of a real video that comes in chunks `[1, channels, frames, height, width]` at `fps`."""
        chosen = [self.stage(name) for name in stages]
        if any(stage.config.task == "base" for stage in chosen):
            raise ValueError(
                f"upscaling takes super-resolution stages, got {', '.join(stages)}; leave the base stage out"
            )
        told = Condition(seconds=torch.zeros(1, 1))
        events, below = _real(chunks), None
        for stage in chosen:
            sampling = stage.sampling(quality)
            if below is None:  # real frames are to be trusted
                sampling = replace(sampling, low_res_noise=0.0)
            fps *= stage.config.factor if stage.config.task == "temporal_sr" else 1
            keys = [Key(seed, "sample", clip)]
            run = _Run(stage=stage, below=below, total=None, sampling=sampling, fps=fps, told=told, keys=keys)
            events, below = _stream(run, events), stage
        return events

    def stage(self, name: str) -> Stage:
        """The stage of that name."""
        return self._until(name)[-1]

    def sized(self, height: int, width: int) -> "Cascade":
        """The same cascade for clips of another size, one of those its base was trained on (`StageConfig.buckets`).

        By default they last as long as the longest that the base was trained on at that size.
        """
        base, own = self.stages[0], self.stages[0].config.shape
        factor = math.prod(stage.config.factor for stage in self.stages if stage.config.task == "spatial_sr")
        longest = {(own.height, own.width): own.frames}
        for bucket in base.config.shapes:
            size = bucket.height, bucket.width
            longest[size] = max(bucket.frames, longest.get(size, 0))
        small = next((size for size in longest if (size[0] * factor, size[1] * factor) == (height, width)), None)
        if small is None:
            sizes = ", ".join(f"{across * factor}x{down * factor}" for down, across in sorted(longest))
            raise ValueError(
                f"size must be one that the model was trained on, got {width}x{height}; try one of {sizes}"
            )

        stages = []
        for stage in self.stages:
            shape = stage.config.shape
            if stage is base:
                shape = replace(shape, frames=longest[small], height=small[0], width=small[1])
            elif stage.config.task == "temporal_sr":
                shape = replace(shape, frames=max(1, shape.frames * longest[small] // own.frames))
            stages.append(replace(stage, config=replace(stage.config, shape=shape)))
        return replace(self, stages=tuple(stages))

    def sample(self, captions: Sequence[str | None], *, until: str | None = None, **options: Any) -> Video:
        """The finished clips `[batch, channels, frames, height, width]`: the end of `stream`."""
        windows = finished(self.stream(captions, until=until, **options), self._until(until)[-1])
        return torch.cat(list(windows), dim=2)

    def fps(self, until: str | None = None) -> float:
        """Frames a second of what `stream` makes."""
        return self._until(until)[-1].config.shape.fps

    def _until(self, name: str | None) -> tuple[Stage, ...]:
        if name is None:
            return self.stages
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise ValueError(f"a stage must be one of {', '.join(names)}; got {name!r}")
        return self.stages[: names.index(name) + 1]


def _words(captions: Sequence[str | None], stages: Sequence[Stage]) -> tuple[Tensor, Tensor]:
    """Token states for the stages that read; they must keep equally many tokens."""
    counts = {words(stage.config.backbone) for stage in stages if getattr(stage.config.backbone, "text_dim", 0)}
    if len(counts) > 1:
        raise ValueError(f"all stages that read captions must keep equally many words, got {sorted(counts)}; set words")
    return encode(captions, stages[0].device, *counts)


def finished(events: Iterator[Event], last: Stage) -> Iterator[Video]:
    """The finished windows of the last stage, in order."""
    for event in events:
        if event.stage is last and event.video is not None:
            yield event.video


def _frame_counts(stages: Sequence[Stage], frames: int | None) -> list[int]:
    """How many frames each stage must make, found from the last one backwards."""
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}; try 60")
    usual = [stage.config.shape.frames for stage in stages if stage.config.task != "spatial_sr"]
    need = frames or usual[-1]
    counts = []
    for stage in reversed(stages):
        counts.append(need)
        if stage.config.task == "temporal_sr":
            usual.pop()
            # n given frames carry up to n * factor frames (the last few go on from the last given one)
            need = usual[-1] if need <= usual[-1] * stage.config.factor else -(-(need - 1) // stage.config.factor) + 1
    return counts[::-1]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What all windows of one stage share."""

    stage: Stage
    below: Stage | None
    total: int | None
    sampling: Sampling
    fps: float
    told: Condition
    keys: Sequence[Key]


def _stream(run: _Run, events: Iterator[Event]) -> Iterator[Event]:
    """Passes on the events from below, and adds this stage's as soon as a window has its frames."""
    task = run.stage.task(run.total, run.sampling)
    held, made = _Held(), 0
    for event in chain(events, [None]):  # at None everything from below is there
        if event is not None:
            yield event
            if event.stage is run.below and event.video is not None:
                held.add(event.video)
        while (window := task.window(made, held.stop, event is None)) is not None:
            held.forget(window.inputs.start)
            yield from _sample(run, window, held.take(window.inputs) if window.inputs else None)
            made = window.keep.stop


def _sample(run: _Run, window: Window, low: Video | None) -> Iterator[Event]:
    shape = run.stage.config.shape
    size = (shape.height, shape.width) if low is None else run.stage.task().size(low)
    rate = torch.full((len(run.keys),), run.fps, device=run.stage.device)
    condition = replace(run.told, seconds=frame_seconds(len(window.frames), rate))
    for step in run.stage.sample(condition, low, size, window.frames, run.keys, run.sampling):
        video = None
        if step.index == step.total - 1:
            video, first = step.x, window.frames.start
            if run.sampling.consistent and low is not None and run.stage.config.task == "spatial_sr":
                video = match_blocks(video.float(), low.float())
            if window.keep.start < first and low is not None:  # the very first given frame goes on as it is
                video, first = torch.cat((low[:, :, :1], video), dim=2), first - 1
            video = video[:, :, window.keep.start - first : window.keep.stop - first]
        yield Event(stage=run.stage, frames=window.keep, step=step, video=video)


class _Held:
    """Frames that came from below and are still needed."""

    def __init__(self) -> None:
        self.video: Tensor | None = None
        self.start = 0

    @property
    def stop(self) -> int:
        return self.start + (0 if self.video is None else self.video.shape[2])

    def add(self, video: Video) -> None:
        self.video = video if self.video is None else torch.cat((self.video, video), dim=2)

    def take(self, frames: range) -> Tensor:
        """The frames of a range; beyond the last one the last one repeats."""
        assert self.video is not None
        places = [min(frame, self.stop - 1) - self.start for frame in frames]
        return self.video[:, :, places]

    def forget(self, before: int) -> None:
        if self.video is not None and before > self.start:
            first = min(before, self.stop - 1)
            self.video, self.start = self.video[:, :, first - self.start :], first


def _real(chunks: Iterator[Video]) -> Iterator[Event]:
    first = 0
    for chunk in chunks:
        yield Event(stage=None, frames=range(first, first + chunk.shape[2]), step=None, video=chunk)
        first += chunk.shape[2]

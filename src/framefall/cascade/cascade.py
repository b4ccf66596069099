"""Stages in a row: each hands its finished frames to the next, window by window."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import torch

from framefall.cascade.about.card import Card
from framefall.cascade.continuity.consistency import match_blocks
from framefall.cascade.continuity.detail import Rendered, edges, mended
from framefall.cascade.few import drawing
from framefall.cascade.held import Held
from framefall.cascade.kept import NOTHING, Kept
from framefall.cascade.keyframes import keyframes
from framefall.cascade.known import placed
from framefall.cascade.lengths import check_beginning, frame_counts
from framefall.cascade.request import Quality, Request
from framefall.cascade.saved.formats import FORMAT
from framefall.cascade.saved.limits import PIXELS
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base, Segment, TemporalSR
from framefall.data.fields.field import Field
from framefall.diffusion.guidance_config import Guidance
from framefall.diffusion.samplers import Step
from framefall.models.backbone import Condition
from framefall.models.tower import open_tower
from framefall.noise import Key
from framefall.progress import Stepped
from framefall.ranges import listed, within
from framefall.video import Video


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """A cascade without its weights; `stages` are in the order in which they run."""

    name: str
    stages: Annotated[dict[str, StageConfig], listed(32)]
    license: str = "Apache-2.0"
    description: str = ""
    trained_on: list[str] = field(default_factory=list)  # what the clips were and where they came from
    distilled_from: str = ""  # the model whose many steps a stage does in few, and by which method
    field: Field | None = None  # what its channels are, of a model of fields; None: it makes videos
    format: Annotated[int, within(1, 1000)] = FORMAT  # of this config and of the weights' names beside it

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a cascade must have a stage, got none; try one named base")
        if self.field is not None:
            self.field.check_channels(one.shape.channels for one in self.stages.values())
        for name in self.stages:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):  # it becomes the name of a file
                raise ValueError(f"a stage's name must be made of letters, digits, _ and -, got {name!r}; try base")
        first, *others = self.stages.values()
        height, width = first.shape.height, first.shape.width
        for stage in others:
            height, width = height * stage.task.space_factor, width * stage.task.space_factor
            if height * width > PIXELS:
                raise ValueError(
                    f"a frame must have at most {PIXELS:,} pixels, got {width}x{height}; try a factor of 2"
                )


@dataclass(frozen=True)
class SegmentStep(Stepped):
    """One step of one segment of one stage. `video` is there when the segment is finished; `step.x0` is a preview."""

    stage: Stage | None  # None: frames of a real video, on their way into the first stage
    frames: range  # absolute numbers of the frames that this segment hands on
    step: Step | None = None
    video: Video | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """A row of stages. Everything that reads it (command line, studio, tests) reads `stream`."""

    config: CascadeConfig
    stages: tuple[Stage, ...]
    card: Card | None = None  # what it was trained on and what it knows, where that is written

    @classmethod
    def from_pretrained(cls, name: str | Path, **how: Any) -> "Cascade":
        """A model's folder, a shipped model, or one of the Hugging Face hub by its name there, OWNER/NAME.

        `how` are `revision`, `cache_dir`, `token`, `force_download` and `local_files_only` as the hub's library has
        them, and `device`. Raises `ValueError` for what is no model: nothing is loaded that was not checked.
        """
        found: Cascade = _hub().from_pretrained(name, **how).cascade
        return found

    def save_pretrained(self, folder: str | Path) -> None:
        """Publishes the model at `folder`, in one step; what is no model of Framefall's there is never replaced."""
        _hub()(self).save_pretrained(folder)

    def push_to_hub(self, repo_id: str, **how: Any) -> str:
        """Commits the model to a repository of the hub, made if it is not there; gives the commit's address.

        `how` are `private`, `token`, `branch`, `create_pr` and `commit_message` as the hub's library has them.
        """
        address: str = _hub()(self).push_to_hub(repo_id, **how)
        return address

    def stream(self, request: Request, kept: Kept = NOTHING) -> Iterator[SegmentStep]:
        """Every step of every stage for the clips of a request, as it happens; closing the generator cancels.

        Segments that were `kept` of the same request are not made again: they have no steps.
        """
        if request.size is not None:
            return self.sized(*request.size).stream(replace(request, size=None), kept)
        stages = tuple(drawing(stage, request) for stage in self.up_to(request.until))
        base = stages[0]
        if not isinstance(base.task, Base):
            raise ValueError(f"generating needs a base stage first, this cascade begins with {base.name}; use upscale")
        takes = base.config.backbone.numbers
        if request.numbers is not None and request.numbers.shape[-1] != takes:
            raise ValueError(
                f"this model takes {takes} numbers, got {request.numbers.shape[-1]}; give as many, or none"
            )
        for what, given, taken in (
            ("structure", bool(request.structure), bool(base.task.structure)),
            ("content", request.content is not None, bool(base.config.backbone.content_dim)),
        ):
            if given and not taken:
                raise ValueError(
                    f"{self.config.name} cannot be told {what}; take a model that was trained with it"
                    " (framefall train --recipe gen1_pico)"
                )
        if request.strength < 1:
            check_beginning(stages, request)
        keys = [Key(request.seed, "sample", name) for name in request.clips]
        events: Iterator[SegmentStep] = iter(())
        below: Stage | None = None
        for stage, total in zip(stages, frame_counts(stages, request), strict=True):
            sampling = stage.sampling(request.quality)
            if stage is base:
                sampling = replace(sampling, guidance=_guidance(request, base, sampling))
            fps = stage.config.shape.fps
            run = _Run(
                stage=stage,
                below=below,
                total=total,
                sampling=sampling,
                fps=fps,
                request=request,
                keys=keys,
                kept=kept,
                last=stage is stages[-1],
            )
            events, below = _base(run) if stage is base else _stream(run, events), stage
        return events

    def upscale(
        self,
        chunks: Iterator[Video],
        *,
        stages: Sequence[str],
        fps: float,
        seed: int = 0,
        clip: str = "0",
        quality: Quality = "fast",
    ) -> Iterator[SegmentStep]:
        """Super-resolution of a real video that comes in chunks `[1, channels, frames, height, width]` at `fps`."""
        chosen = [self.stage(name) for name in stages]
        if not all(stage.task.super_resolution for stage in chosen):
            raise ValueError(
                f"upscaling takes super-resolution stages, got {', '.join(stages)}; leave the base stage out"
            )
        request = Request(seed=seed, names=(clip,))
        events, below = _real(chunks), None
        for stage in chosen:
            sampling = stage.sampling(quality)
            if below is None:  # real frames are to be trusted
                sampling = replace(sampling, low_res_noise=0.0)
            fps *= stage.task.time_factor
            keys = [Key(seed, "sample", clip)]
            run = _Run(stage=stage, below=below, total=None, sampling=sampling, fps=fps, request=request, keys=keys)
            events, below = _stream(run, events), stage
        return events

    def stage(self, name: str) -> Stage:
        """The stage of that name."""
        return self.up_to(name)[-1]

    def sized(self, height: int, width: int) -> "Cascade":
        """The same cascade for clips of another size, one of those its base was trained on (`StageConfig.buckets`).

        By default they last as long as the longest that the base was trained on at that size.
        """
        base, own = self.stages[0], self.stages[0].config.shape
        factor = math.prod(stage.task.space_factor for stage in self.stages)
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
            elif isinstance(stage.task, TemporalSR):
                shape = replace(shape, frames=max(1, shape.frames * longest[small] // own.frames))
            stages.append(replace(stage, config=replace(stage.config, shape=shape)))
        return replace(self, stages=tuple(stages))

    def with_lora(self, folder: str | Path, strength: float = 1.0) -> "Cascade":
        """The same cascade with a LoRA of `framefall train --lora` added to its weights, `strength` times."""
        added: Cascade = import_module("framefall.cascade.saved.adapters").with_lora(self, folder, strength)
        return added

    def with_text(self, folder: str | Path) -> "Cascade":
        """The same cascade with the text tower in a folder, which must be the one that it was trained with."""
        tower = open_tower(folder)
        stages = (stage.told_by(tower) if stage.config.backbone.text_dim else stage for stage in self.stages)
        return replace(self, stages=tuple(stages))

    def guided_by(self, weaker: "Cascade") -> "Cascade":
        """The same cascade whose base has another's base to walk away from (autoguidance)."""
        base, *others = self.stages
        return replace(self, stages=(base.guided_by(weaker.stages[0]), *others))

    def sample(self, request: Request) -> Video:
        """The finished clips `[clips, channels, frames, height, width]`: the end of `stream`."""
        segments = finished(self.stream(request), self.up_to(request.until)[-1].name)
        return torch.cat(list(segments), dim=2)

    def fps(self, until: str | None = None) -> float:
        """Frames a second of what `stream` makes."""
        return self.up_to(until)[-1].config.shape.fps

    def up_to(self, name: str | None) -> tuple[Stage, ...]:
        """The stages up to the one of that name; all of them for None."""
        if name is None:
            return self.stages
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise ValueError(f"a stage must be one of {', '.join(names)}; got {name!r}")
        return self.stages[: names.index(name) + 1]


def _hub() -> Any:
    """What speaks with the hub; it knows cascades and is found by its name, and its library is an extra."""
    try:
        return import_module("framefall.cascade.saved.hub").Hub
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        raise ValueError("the hub needs huggingface_hub: pip install 'framefall[hub]'") from None


def _guidance(request: Request, base: Stage, sampling: Sampling) -> Guidance:
    """The base's own guidance with what the request changes; refused is what the base cannot do, or nothing reads."""
    asked = request.guidance if isinstance(request.guidance, Mapping) else {}
    for name, there, what in (
        ("weaker_scale", base.weaker is not None, "a weaker model; name one"),
        ("history_scale", bool(request.known), "something that is known of the clip; give some"),
        ("structure_scale", bool(request.structure), "a structure; give one"),
        ("content_scale", request.content is not None, "a content; give one"),
    ):
        if name in asked and not there:
            raise ValueError(f"{name} needs {what}, or leave it out; got {asked[name]!r}")
    guidance = request.guided(sampling.guidance)
    base.config.check(replace(sampling, guidance=guidance))
    return guidance


def finished(events: Iterator[SegmentStep], last: str) -> Iterator[Video]:
    """The finished segments of the stage of a name, in order."""
    for event in events:
        if event.stage is not None and event.stage.name == last and event.video is not None:
            yield event.video


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What all segments of one stage share."""

    stage: Stage
    below: Stage | None
    total: int | None  # frames that it makes; None: as many as come from below, or without end
    sampling: Sampling
    fps: float
    request: Request
    keys: Sequence[Key]
    kept: Kept = NOTHING
    last: bool = False  # whether what it makes is what is asked for


def _base(run: _Run) -> Iterator[SegmentStep]:
    """The first stage: nothing comes from below, but what is known and what it has made itself."""
    for frames, step, video in keyframes(run.stage, run.request, run.keys, run.total, run.sampling, run.kept):
        done, total = (step.index + 1, step.total) if step else (1, 1)
        what = f"{run.stage.name}, frames {frames.start}-{frames.stop - 1}"
        yield SegmentStep(done, total, what, run.stage, frames, step, video)


def _stream(run: _Run, events: Iterator[SegmentStep]) -> Iterator[SegmentStep]:
    """Passes on the events from below, and adds this stage's as soon as a segment has its frames."""
    held, made = Held(), 0
    given: Sequence[Rendered] | None = None
    for event in chain(events, [None]):  # at None everything from below is there
        if event is not None:
            yield event
            if event.stage is run.below and event.video is not None:
                held.add(event.video)
        while True:
            segment = run.stage.next_segment(made, held.stop, event is None, total=run.total, sampling=run.sampling)
            if segment is None:
                break
            held.forget(segment.inputs.start)
            low = held.take(segment.inputs)
            given = _rendered(run, low) if given is None else given
            yield from _sample(run, segment, low, given)
            made = segment.keep.stop


def _condition(run: _Run, frames: range) -> Condition:
    return run.stage.condition(
        run.request.captions_at(frames.start / run.fps),
        frames=len(frames),
        fps=run.fps,
        numbers=run.request.numbers_of(frames, run.total),
    )


def _rendered(run: _Run, low: Video) -> Sequence[Rendered]:
    """What a stage that enlarges makes of the given frames beside which it is to make others."""
    stage, pieces = run.stage, run.request.known
    if not run.sampling.carried or stage.task.space_factor == 1 or stage.task.time_factor > 1:
        return ()
    found = []
    for edge in edges(pieces, run.fps, run.total, run.request.loop):
        frame, size = edge.frame % (run.total or edge.frame + 1), stage.task.output_size(low)
        one = range(frame, frame + 1)
        sizes = (low.shape[-2], low.shape[-1]), size
        small, large = (placed(pieces, one, run.fps, each, len(run.keys), stage.device) for each in sizes)
        if small is None or large is None or not bool((large.whole_frames() >= 1).all()):
            continue  # it is given smaller than that
        *_, last = stage.sample(_condition(run, one), small.video, size, one, run.keys, run.sampling)
        made = _matched(run, last.x, small.video)
        found.append(Rendered(edge=edge, small=small.video, error=large.video - made))
    return found


def _matched(run: _Run, video: Video, low: Video) -> Video:
    if run.sampling.consistent and run.stage.task.space_factor > 1:
        return match_blocks(video.float(), low.float())
    return video


def _sample(run: _Run, segment: Segment, low: Video, given: Sequence[Rendered]) -> Iterator[SegmentStep]:
    stage = run.stage
    what = f"{stage.name}, frames {segment.keep.start}-{segment.keep.stop - 1}"
    if (made := run.kept.read(stage.name, segment.keep, stage.device)) is not None:
        yield SegmentStep(1, 1, what, stage, segment.keep, video=made)
        return
    size = stage.task.output_size(low)
    condition = _condition(run, segment.frames)
    known = placed(run.request.known, segment.frames, run.fps, size, len(run.keys), stage.device)
    for step in stage.sample(condition, low, size, segment.frames, run.keys, run.sampling, known):
        video = None
        if step.index == step.total - 1:
            video, first = _matched(run, step.x, low), segment.frames.start
            if given:
                video = mended(video, low, segment.frames, given)
            if known is not None:
                video = known.kept(video)
            if segment.keep.start < first:  # the very first given frame goes on as it is
                video, first = torch.cat((low[:, :, :1], video), dim=2), first - 1
            video = video[:, :, segment.keep.start - first : segment.keep.stop - first]
            run.kept.write(stage.name, segment.keep, video, pixels=run.last)
        yield SegmentStep(step.index + 1, step.total, what, stage, segment.keep, step, video)


def _real(chunks: Iterator[Video]) -> Iterator[SegmentStep]:
    first = 0
    for chunk in chunks:
        frames = range(first, first + chunk.shape[2])
        yield SegmentStep(frames.stop, None, "frames read", None, frames, video=chunk)
        first = frames.stop

"""A base stage makes the clips of a request, however long: window by window, each told what is there already."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

import torch

from framefall.cascade.continuity.carried import carried
from framefall.cascade.continuity.steady import steadied
from framefall.cascade.kept import NOTHING, Kept
from framefall.cascade.known import Known, known_frames, placed
from framefall.cascade.request import Request
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.cascade.tasks import Base
from framefall.cascade.windows import Window, anchors, looped, windows
from framefall.diffusion.samplers import Step
from framefall.noise import Key
from framefall.video import Video


def plan(stage: Stage, request: Request, total: int | None) -> Iterator[Window]:
    """The windows in which a stage makes `total` frames for a request; None: without end."""
    shape, task = stage.config.shape, stage.task
    assert isinstance(task, Base)
    history = task.history(shape.frames)
    if request.loop and total is not None:
        return looped(total, shape.frames, history, _given(request, shape.fps, total))
    return windows(total, shape.frames, history, _given(request, shape.fps, total), _cuts(request, shape.fps))


def keyframes(
    stage: Stage, request: Request, keys: Sequence[Key], total: int | None, sampling: Sampling, kept: Kept = NOTHING
) -> Iterator[tuple[range, Step | None, Video | None]]:
    """Every step of every window, with the frames that come out of it in their order, as soon as all before are there.

    Of a loop of `total` frames `total` + 1 come out: the last is the first again. A window that was `kept` has no step.
    """
    shape = stage.config.shape
    around = total if request.loop else None  # frames after which the clip begins anew
    made: dict[int, Video] = {}
    given, cuts = _given(request, shape.fps, total), _cuts(request, shape.fps)
    out = 0
    for window in plan(stage, request, total):
        last: Step | None = None
        video = kept.read(stage.name, window.keep, stage.device) if window.frames else None
        if window.frames and video is None:
            first = anchors(window.keep.start, 0 if request.loop else sampling.anchors, given, cuts)
            told = _told(stage, request, window, made, len(keys), total, sampling, first)
            condition = stage.condition(
                request.captions_at(window.keep.start / shape.fps),
                frames=len(window.frames),
                fps=shape.fps,
                numbers=request.numbers_of(window.frames, total),
                content=request.content,
            )
            size = shape.height, shape.width
            where = _placed(stage, request.structure, _around(request, window, total), len(keys))
            walk = stage.sample(condition, None, size, window.frames, keys, sampling, told, request.strength, where)
            for last in walk:
                if last.index < last.total - 1:
                    yield window.keep, last, None
            assert last is not None
            video = last.x
            if sampling.steady:
                scene, *_ = anchors(window.keep.start, 1, given, cuts)
                video = _lit(video, told, made, window, scene)
            video = video[:, :, window.keep.start - window.frames.start : window.keep.stop - window.frames.start]
            kept.write(stage.name, window.keep, video)
        elif video is None:
            placed_here = _placed(stage, request.known, window.keep, len(keys))
            assert placed_here is not None
            video = placed_here.video
        made |= {frame: video[:, :, [at]] for at, frame in enumerate(window.keep)}
        ready = range(out, next(frame for frame in count(out) if frame not in made))
        yield ready or window.keep, last, torch.cat([made[frame] for frame in ready], dim=2) if ready else None
        out = ready.stop
        if around is None:
            first = anchors(out, sampling.anchors, given, cuts)
            made = {frame: video for frame, video in made.items() if frame >= out - shape.frames or frame in first}
    if around is not None:
        yield range(around, around + 1), None, made[0]


def _given(request: Request, fps: float, total: int | None) -> Collection[int]:
    """The numbers of the frames that are given whole."""
    horizon = total or round(max([piece.end for piece in request.known], default=0.0) * fps) + 1
    return known_frames(request.known, fps, horizon)


def _cuts(request: Request, fps: float) -> list[int]:
    """The frames from which on another prompt holds."""
    return [round(second * fps) for second, _ in request.prompts_at]


def _placed(stage: Stage, pieces: Sequence[Known], frames: Sequence[int], clips: int) -> Known | None:
    shape = stage.config.shape
    return placed(pieces, frames, shape.fps, (shape.height, shape.width), clips, stage.device)


def _around(request: Request, window: Window, total: int | None) -> Sequence[int]:
    """A window's frames: beyond the end of a loop they are its first again."""
    return [frame % total for frame in window.frames] if request.loop and total else window.frames


def _told(
    stage: Stage,
    request: Request,
    window: Window,
    made: Mapping[int, Video],
    clips: int,
    total: int | None,
    sampling: Sampling,
    reminded: range,
) -> Known | None:
    """What is given of a window's frames, and those that are there already; of `reminded` instead of the oldest.

    The frames beside them are those that carry their motion on, where a network is told that they may err.
    """
    frames = _around(request, window, total)
    given = _placed(stage, request.known, frames, clips)
    there = [at for at, frame in enumerate(frames) if frame in made and window.frames[at] not in window.keep]
    if given is None and not there:
        return None
    shape = stage.config.shape
    if given is None:
        empty = torch.zeros(clips, shape.channels + 1, len(frames), shape.height, shape.width, device=stage.device)
        given = Known(video=empty[:, :-1], mask=empty[:, -1:])
    video, mask = given.video, given.weights
    doubt = torch.zeros(len(frames), device=stage.device)
    made_here = [at for at in there if not bool((mask[:, :, at] >= 1.0).all())]
    doubt[made_here] = sampling.history_noise
    if request.strength < 1 and total is not None:  # beyond the end there is nothing to begin from: it stands still
        end = min(total, math.ceil(max(piece.end for piece in request.known) * shape.fps - 1e-6))
        covered = min(max(1, end - window.frames.start), len(frames))
        video[:, :, covered:] = video[:, :, [covered - 1]]
    before = [at for at in made_here if window.frames[at] < window.keep.start]
    first = dict(zip(before[:-1], (one for one in reminded if one < window.frames.start and one in made), strict=False))
    for at in there:
        video[:, :, [at]], mask[:, :, at] = made[first.get(at, frames[at])].to(video.dtype), 1.0
    known = Known(video=video, mask=mask, start=window.frames.start / shape.fps, fps=shape.fps, doubt=doubt)
    if sampling.carried and stage.task.known == "any" and request.strength == 1:
        _carry(known, request.known, set(first), sampling.history_noise)
    return known


def _lit(video: Video, told: Known | None, made: Mapping[int, Video], window: Window, scene: int) -> Video:
    """A window in the light of what is given of it; or of the frame that its scene began with; or of what it was told.

    Of a clip's first window that is told nothing, it is the light of its scene's first frame.
    """
    whole = [] if told is None else (told.whole_frames().amin(dim=0) >= 1).tolist()
    there = [at for at, known in enumerate(whole) if known]
    given = [at for at in there if told is not None and (told.doubt is None or told.doubt[at] == 0)]
    first, *_ = given or there or [max(0, scene - window.frames.start)]
    reference = made[scene].to(video.dtype) if scene in made and not given else video[:, :, [first]]
    lit = steadied(video, reference)
    return lit if told is None else told.kept(lit)


def _carry(known: Known, given: Sequence[Known], elsewhere: Collection[int], doubt: float) -> None:
    """Puts the frames that carry on what is known beside it; frames of a window that are shown `elsewhere` are not."""
    assert known.mask is not None and known.doubt is not None
    moments = {at: known.start + at / known.fps for at in range(known.frames)}
    whole = known.whole_frames().amin(dim=0) >= 1
    there = [at for at in moments if whole[at] and at not in elsewhere]
    runs = [
        replace(known, video=known.video[:, :, run], mask=None, start=moments[run[0]], doubt=None)
        for run in _runs(there)
    ]
    size = (known.shape[-2], known.shape[-1])
    missing = {at: second for at, second in moments.items() if not bool(known.mask[:, :, at].any())}
    for at, image in carried((*given, *runs), missing, known.fps, size, known.video.device).items():
        known.video[:, :, [at]], known.mask[:, :, at], known.doubt[at] = image.to(known.video.dtype), 1.0, doubt


def _runs(places: Sequence[int]) -> list[list[int]]:
    """Places that follow one another, together."""
    runs = list[list[int]]()
    for place in places:
        if not runs or place != runs[-1][-1] + 1:
            runs.append([])
        runs[-1].append(place)
    return runs

"""Big work before it begins: how long it takes, how much memory, and in which pieces it stays below a limit.

What a stage costs is measured on a small piece of a picture, once with its network and once without. What grows with
the whole picture and what grows with a tile of it are thereby told apart. Pieces change no bits (`cascade/tiles.py`).
"""

import math
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from framefall import memory
from framefall.cascade.cascade import Cascade
from framefall.cascade.keyframes import plan
from framefall.cascade.lengths import frame_counts
from framefall.cascade.request import Quality, Request
from framefall.cascade.stage import TILE, Stage
from framefall.cascade.tasks import SpatialSR, TemporalSR
from framefall.models.backbone import Backbone, Condition
from framefall.noise import Key, normal_field
from framefall.progress import Events, Note
from framefall.video import Time, Video, to_frames

SMALL = 64e6  # pixels of all frames that are made; less is done before anybody could wonder
TRIAL = 32  # pixels a side of the piece that is measured; four times that where it is enlarged
FRAMES_AT_ONCE = (16, 8, 4, 2, 1)
TILES = (256, 128)
ENCODER = 60  # frames of 4:2:0 bytes that an encoder keeps
BESIDE = 80 << 20  # bytes that libraries take for themselves once they are given large pictures
COUNTED = 10_000  # windows that are counted one by one
SURE = (0.7, 1.6)  # times: between these the time lies nine times in ten


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a pixel of a frame that a stage makes: what grows with the picture, and what with a tile of it."""

    seconds_outside: float
    seconds_inside: float
    bytes_outside: float
    bytes_inside: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be made, and what it takes."""

    what: str
    seconds: float
    peak: float  # bytes of the whole process

    def __str__(self) -> str:
        low, high = (_duration(self.seconds * times) for times in SURE)
        return (
            f"{self.what}: about {_duration(self.seconds)} ({low} to {high}),"
            f" about {memory.written(self.peak)} of memory"
        )


def bounded(
    cascade: Cascade,
    stages: Sequence[str],
    size: tuple[int, int],
    frames: int,
    quality: Quality,
    limit: int | None,
) -> Events[Cascade]:
    """The cascade with its super-resolution in pieces that keep this process below `limit` bytes.

    By default that is half of what is free. `frames` of `size` (height, width) go in. Big work is announced in a
    `Note`; a `ValueError` refuses what does not fit in the smallest pieces. Nothing but the pieces is changed.
    """
    chosen, counts = [cascade.stage(name) for name in stages], [frames]
    for stage in chosen:
        counts.append((counts[-1] - 1) * stage.task.time_factor + 1)
    if limit is None and pixels(chosen, counts[1:], size) < SMALL:
        return cascade
    fitted = yield from _fitted(cascade, chosen, size, counts[1:], quality, limit)
    return fitted


def announced(cascade: Cascade, request: Request, batch: int, limit: int | None) -> Events[Cascade]:
    """The same for the clips of a request, of which `batch` are made together, with what its base takes."""
    stages = cascade.up_to(request.until)
    counts, clips = frame_counts(stages, request), len(request.captions)
    if limit is None and clips * pixels(stages, counts) < SMALL:
        return cascade
    fitted = yield from _fitted(cascade, stages, None, counts, request.quality, limit, request, min(batch, clips))
    return fitted


def pixels(stages: Sequence[Stage], counts: Sequence[int | None], size: tuple[int, int] | None = None) -> int:
    """Of all frames of a clip that stages make, of which a base has the size, or whose first is given one."""
    height, width = _made_size(stages, size)
    return (counts[-1] or 0) * height * width


def _made_size(stages: Sequence[Stage], size: tuple[int, int] | None) -> tuple[int, int]:
    height, width = size or (stages[0].config.shape.height, stages[0].config.shape.width)
    factor = math.prod(stage.task.space_factor for stage in stages)
    return height * factor, width * factor


def _fitted(
    cascade: Cascade,
    stages: Sequence[Stage],
    size: tuple[int, int] | None,
    counts: Sequence[int | None],
    quality: Quality,
    limit: int | None,
    request: Request | None = None,
    batch: int = 1,
) -> Events[Cascade]:
    """Measures, chooses the pieces of super-resolution, and announces what each stage's `counts` of frames take.

    Those of a `request` are made by the base first, `batch` clips at a time; others have the `size` that goes in.
    """
    height, width = _made_size(stages, size)
    clips = 1 if request is None else len(request.captions)
    what = f"{f'{clips} clips of ' if clips > 1 else ''}{counts[-1]} frames of {width}x{height}"
    yield Note(f"{what} are to be made; measuring how long that takes")
    memory.give_back_at_once()
    have = memory.used()
    most = have + memory.free() // 2 if limit is None else limit
    beside = float(have + BESIDE + batch * ENCODER * height * width * 3 // 2)
    seconds, most_of_base, upper = 0.0, 0.0, stages
    if request is not None:
        seconds, most_of_base = _of_base(cascade, request, counts[0], batch)
        upper = stages[1:]
    if beside + most_of_base > most:
        fewer = "make fewer clips at a time (--batch)" if batch > 1 else "ask for a smaller size"
        raise _too_large(stages[0].name, beside + most_of_base, _made_size(stages[:1], None), most, fewer)
    costs = {stage.name: measured(cascade, stage, quality) for stage in upper}
    peak, here, chosen = beside, size or _made_size(stages[:1], None), list(cascade.stages)
    for stage, count in zip(upper, counts[-len(upper) :] if upper else (), strict=True):
        assert count is not None
        task, cost = stage.task, costs[stage.name]
        here = here[0] * task.space_factor, here[1] * task.space_factor
        forms = [_in_pieces(stage, at_once, tile) for at_once, tile in _pieces(stage)]
        fitting = [one for one in forms if peak + batch * _bytes(one, cost, here, quality) <= most]
        if not fitting:
            need = peak + batch * min(_bytes(one, cost, here, quality) for one in forms)
            raise _too_large(stage.name, need, here, most, "make the video smaller first")
        best = min(fitting, key=lambda one: (_seconds(one, cost, here, count, quality), -_at_once(one)))
        seconds += clips * _seconds(best, cost, here, count, quality)
        peak += batch * _bytes(best, cost, here, quality)
        chosen = [best if one.name == stage.name else one for one in chosen]
    peak = max(peak, beside + most_of_base)  # the base has let go of its own when the stages above begin
    yield Note(str(Work(what=what, seconds=seconds, peak=peak)))
    return replace(cascade, stages=tuple(chosen))


def _too_large(name: str, need: float, size: tuple[int, int], most: float, otherwise: str) -> ValueError:
    return ValueError(
        f"{name} needs about {memory.written(need)} of memory for frames of {size[1]}x{size[0]}, and may take"
        f" {memory.written(most)}; allow more (--memory {math.ceil(1.1 * need / 2**20)}MB), or {otherwise}"
    )


def _of_base(cascade: Cascade, request: Request, total: int | None, batch: int) -> tuple[float, float]:
    """The base's seconds for all clips, and bytes for those that are made together: of one step, and as many more."""
    base, clips = cascade.stages[0], len(request.captions)
    windows = _windows(base, request, total)
    if not windows:
        return 0.0, 0.0

    def steps() -> int:
        events = cascade.stream(request.part(slice(0, batch)))
        return next(event.step.total for event in events if event.step is not None)

    with _Live() as live:
        count = steps()
    best = math.inf
    for _ in range(2):
        began = time.perf_counter()
        steps()
        best = min(best, time.perf_counter() - began)
    return best * count * windows * math.ceil(clips / batch), live.most


def _windows(base: Stage, request: Request, total: int | None) -> int:
    """In how many windows a base makes a request; of very many, by the share of the frames that the first ones make."""
    found = list(islice(plan(base, request, total), COUNTED))
    made = max((window.keep.stop for window in found), default=0)
    windows = sum(bool(window.frames) for window in found)
    return windows if total is None or made >= total else math.ceil(windows * total / made)


def measured(cascade: Cascade, stage: Stage, quality: Quality) -> Cost:
    """What a stage costs, on a piece of noise as small as shows it.

    That is of two segments at least, since one is held while the next is made.
    """
    task, shape = stage.task, stage.config.shape
    side = TRIAL if isinstance(task, TemporalSR) else max(8, 4 * TRIAL // task.space_factor)
    trial = _in_pieces(stage, 4 if isinstance(task, SpatialSR) else None, TILE)
    reach = _sampled(trial, quality) - _at_once(trial)
    given = 2 * task.intervals + 1 if isinstance(task, TemporalSR) else 2 * _at_once(trial) + reach
    noise = normal_field(Key(0, "workload"), shape.channels, range(given), range(side), range(side))
    low = noise[None].clamp(-1, 1).to(stage.device)
    pixels = (side * task.space_factor) ** 2

    def run(one: Stage) -> tuple[float, float]:
        """Seconds of a sampled pixel, and bytes of one."""
        alone = replace(cascade, stages=tuple(one if other.name == one.name else other for other in cascade.stages))

        def drain() -> int:
            events = alone.upscale(iter([low]), stages=[one.name], fps=shape.fps, quality=quality)
            return sum(event.video is not None and bool(to_frames(event.video).size) for event in events) - 1

        with _Live() as live:
            drain()
        best = math.inf
        for _ in range(2):
            began = time.perf_counter()
            segments = drain()
            best = min(best, (time.perf_counter() - began) / segments)
        frames = _sampled(trial, quality)
        return best / frames / pixels, live.most / frames / pixels

    (seconds, bytes_), (less_seconds, less_bytes) = run(trial), run(replace(trial, backbone=_Nothing(stage.backbone)))
    return Cost(
        seconds_outside=less_seconds,
        seconds_inside=max(0.0, seconds - less_seconds),
        bytes_outside=less_bytes,
        bytes_inside=max(0.0, bytes_ - less_bytes),
    )


class _Nothing(Backbone):
    """In place of a network: it adds nothing, and takes no time and no memory."""

    def __init__(self, like: Backbone) -> None:
        super().__init__()
        self.halo = like.halo
        self.weight = torch.nn.Parameter(next(like.parameters()).detach()[:0], requires_grad=False)

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """The noisy video."""
        return x_t


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that are there at one time, and keeps the most of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self._known:
                storage = tensor.untyped_storage()
                self._known[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._gone, storage._cdata)
        return made

    def _gone(self, key: int) -> None:
        self.now -= self._known.pop(key, 0)


def _pieces(stage: Stage) -> list[tuple[int | None, int]]:
    """The sizes of pieces that a stage can be cut into: frames at a time and tiles; its own come first."""
    tiles = (TILE, *TILES) if stage.backbone.halo is not None else (TILE,)
    if not isinstance(stage.task, SpatialSR):
        return [(None, tile) for tile in tiles]
    own = stage.task.at_once
    return list(product((own, *(one for one in FRAMES_AT_ONCE if one < own)), tiles))


def _in_pieces(stage: Stage, at_once: int | None, tile: int) -> Stage:
    task = stage.task
    if isinstance(task, SpatialSR) and at_once is not None:
        task = replace(task, at_once=at_once)
    return replace(stage, tile=tile, config=replace(stage.config, task=task))


def _at_once(stage: Stage) -> int:
    """Frames that are sampled at a time, and handed on."""
    task = stage.task
    return task.intervals * task.factor if isinstance(task, TemporalSR) else getattr(task, "at_once", 1)


def _sampled(stage: Stage, quality: Quality) -> int:
    """Frames of a segment with its margins."""
    halo = stage.backbone.halo[0] if isinstance(stage.task, SpatialSR) and stage.backbone.halo else 0
    return _at_once(stage) + 2 * halo * stage.codec.time * stage.sampling(quality).calls


def _tile(stage: Stage, size: tuple[int, int]) -> tuple[float, float]:
    """Pixels of the largest tile, and of all tiles of a picture."""
    height, width = size
    if stage.backbone.halo is None:  # overlapping by a quarter
        tall, wide = min(height, stage.config.shape.height), min(width, stage.config.shape.width)
        rows, columns = (1 if side <= part else 1 + -(-(side - part) // max(1, int(0.75 * part)))
                         for side, part in ((height, tall), (width, wide)))  # fmt: skip
        return tall * wide, rows * columns * tall * wide
    tile, margin = stage.tile, 2 * stage.backbone.halo[1]
    if height <= tile and width <= tile:
        return height * width, height * width
    one = min(height, tile + margin) * min(width, tile + margin)
    every = (height + margin * (-(-height // tile) - 1)) * (width + margin * (-(-width // tile) - 1))
    return one, every


def _bytes(stage: Stage, cost: Cost, size: tuple[int, int], quality: Quality) -> float:
    largest, _ = _tile(stage, size)
    return _sampled(stage, quality) * (cost.bytes_outside * size[0] * size[1] + cost.bytes_inside * largest)


def _seconds(stage: Stage, cost: Cost, size: tuple[int, int], frames: int, quality: Quality) -> float:
    _, every = _tile(stage, size)
    segments = frames / _at_once(stage)
    return (
        segments * _sampled(stage, quality) * (cost.seconds_outside * size[0] * size[1] + cost.seconds_inside * every)
    )


def _duration(seconds: float) -> str:
    for unit, length in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 3 else f"{value:.1f} {unit}"
    return f"{max(1.0, seconds):.0f} seconds"

"""Batches of clips in an order that is a pure function of (seed, epoch, position).

Nothing is remembered between batches: the batch of step s is the same whether the stream began at 0 or at s,
on any number of ranks (each takes its part of every batch) and of workers.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, runtime_checkable

import cv2
import numpy as np

from framefall.data.clip import Clip
from framefall.data.folder import Folder, Shot
from framefall.noise import Key


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is cut out of a shot to make a clip."""

    frames: int
    strides: tuple[int, ...] = (1,)  # the first is preferred; the clip's fps is the shot's over its stride
    fps: float | None = None  # instead of `strides`: the stride nearest to this rate, smaller if the shot is short
    height: int
    width: int
    view: Literal["whole", "crop"] = "whole"  # the whole picture made small, or native pixels of a part
    flip: bool = True  # mirror half of the clips; turn it off where left and right have a meaning
    image_share: float = 0.0  # the part of the steps whose batch is of images, where the folder has some

    def __post_init__(self) -> None:
        if not self.strides or min(self.frames, self.height, self.width, *self.strides) < 1:
            raise ValueError(f"frames, height, width and strides must be at least 1, got {self}")
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps must be above 0, got {self.fps}; try 6")
        if self.view not in ("whole", "crop"):
            raise ValueError(f"view must be one of whole, crop; got {self.view!r}")
        if not 0 <= self.image_share <= 1:
            raise ValueError(f"image_share must be from 0 to 1, got {self.image_share}; try 0.2")


@runtime_checkable
class Endless(Protocol):
    """An endless sequence of clips; a clip is a pure function of its position."""

    def clip(self, position: int) -> Clip:
        """The clip at a position."""
        ...


@runtime_checkable
class Source(Protocol):
    """Anything else than a folder that gives clips to train on: a simulated world."""

    @property
    def fingerprint(self) -> str:
        """Two sources with the same one give the same clips."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """What a model that was trained on it says it has seen."""
        ...

    def split(self, name: Literal["train", "validation", "all"]) -> "Source":
        """One side of it."""
        ...

    def streams(self, window: Window, seed: int) -> tuple[Endless | None, Endless | None]:
        """Its videos and its images."""
        ...

    def validation(self, window: Window, count: int, seed: int) -> list[Clip]:
        """Clips that never change."""
        ...


@dataclass(frozen=True)
class Stream:
    """An endless sequence of entries (shot, part): every entry once an epoch, a long shot several times."""

    folder: Folder
    window: Window
    entries: tuple[tuple[Shot, int, int], ...]  # shot, which part of it, of how many
    frames: int  # of a clip
    seed: int

    def clip(self, position: int) -> Clip:
        """The clip at a position of the endless sequence."""
        epoch, place = divmod(position, len(self.entries))
        shot, part, parts = self.entries[_order(self.seed, self.frames, epoch, len(self.entries))[place]]
        draw = Key(self.seed, "augment", shot.key)
        stride = _pick(_fitting(shot, self.window, self.frames), draw.named("stride").uniform(epoch, place))
        room = shot.frames - _span(self.frames, stride) + 1
        start = int(room * (part + draw.named("start").uniform(epoch, place)) / parts)
        where = draw.named("row").uniform(epoch, place), draw.named("column").uniform(epoch, place)
        flip = self.window.flip and draw.named("flip").uniform(epoch, place) < 0.5
        return _cut(self.folder, shot, self.window, range(start, shot.frames, stride)[: self.frames], where, flip)


def usable(shots: Sequence[Shot], window: Window) -> tuple[Shot, ...]:
    """The shots long enough for the smallest stride and, for a crop, large enough."""
    span = _span(window.frames, min(_strides(window)))
    return tuple(shot for shot in shots if shot.frames >= span and _large(shot, window))


def batches(
    source: Folder | Source,
    window: Window,
    *,
    batch: int,
    seed: int,
    start: int = 0,
    rank: int = 0,
    world_size: int = 1,
    workers: int = 0,
) -> Iterator[list[Clip]]:
    """Endless batches from step `start` on; this rank's are positions rank, rank + world_size, ... of each.

    Step s is all images when floor((s + 1) * image_share) > floor(s * image_share); a folder of nothing but
    images gives only those. Videos and images each keep their own order.
    """
    if batch < world_size or batch % world_size:
        raise ValueError(f"batch must be a multiple of the {world_size} ranks, got {batch}; try {world_size}")
    videos, images = streams(source, window, seed)
    share = (1.0 if videos is None else window.image_share) if images else 0.0
    return _batches(videos, images, share, range(rank, batch, world_size), batch, start, workers)


def streams(source: Folder | Source, window: Window, seed: int) -> tuple[Endless | None, Endless | None]:
    """The stream of videos and the stream of images; raises `ValueError` when nothing is usable."""
    return _streams(source, window, seed) if isinstance(source, Folder) else source.streams(window, seed)


def validation(source: Folder | Source, window: Window, count: int, seed: int) -> list[Clip]:
    """Up to `count` clips that never change; of a folder, centre crops at even distances, unflipped, at the preferred
    stride.

    Which parts of which shots is a ranking by `seed`: 8 clips are the first 8 of 16.
    """
    if not isinstance(source, Folder):
        return source.validation(window, count, seed)
    videos, images = _streams(source, window, seed)
    stream = videos or images
    assert stream is not None
    ranked = sorted(stream.entries, key=lambda entry: Key(seed, "validation", entry[0].key).word(entry[1]))
    clips = []
    for shot, part, parts in ranked[:count]:
        stride = _fitting(shot, window, stream.frames)[0]
        room = shot.frames - _span(stream.frames, stride)
        begin = round(room * (part + 0.5) / parts)
        frames = range(begin, shot.frames, stride)[: stream.frames]
        clips.append(_cut(source, shot, window, frames, (0.5, 0.5), flip=False))
    return clips


def _streams(folder: Folder, window: Window, seed: int) -> tuple[Stream | None, Stream | None]:
    moving = [shot for shot in folder.shots if shot.frames > 1 or window.frames == 1]
    stills = [shot for shot in folder.shots if shot.frames == 1 < window.frames and _large(shot, window)]
    videos = _stream(folder, window, usable(moving, window), window.frames, seed)
    images = _stream(folder, window, stills, 1, seed)
    if videos is None and (images is None or moving):
        raise ValueError(_nothing(folder.shots, moving, window))
    return videos, images


def _batches(
    videos: Endless | None, images: Endless | None, share: float, places: range, batch: int, start: int, workers: int
) -> Iterator[list[Clip]]:
    def positions(step: int) -> tuple[Endless, list[int]]:
        before = int(step * share)  # image batches before this step
        use_images = int((step + 1) * share) > before
        stream, own = (images, before) if use_images else (videos, step - before)
        assert stream is not None
        return stream, [own * batch + place for place in places]

    if not workers:
        for step in itertools.count(start):
            stream, wanted = positions(step)
            yield [stream.clip(position) for position in wanted]
    with ThreadPoolExecutor(workers) as pool:  # reading and resizing happen outside Python's lock
        ahead: deque[list[Future[Clip]]] = deque()
        try:
            for step in itertools.count(start):
                stream, wanted = positions(step)
                ahead.append([pool.submit(stream.clip, position) for position in wanted])
                if len(ahead) > workers:
                    yield [future.result() for future in ahead.popleft()]
        finally:
            for future in itertools.chain.from_iterable(ahead):
                future.cancel()


def _stream(folder: Folder, window: Window, shots: Sequence[Shot], frames: int, seed: int) -> Stream | None:
    entries = []
    for shot in shots:
        span = _span(frames, _fitting(shot, window, frames)[0])
        parts = -(-shot.frames // span)
        entries += [(shot, part, parts) for part in range(parts)]
    return Stream(folder, window, tuple(entries), frames, seed) if entries else None


@lru_cache(maxsize=4)
def _order(seed: int, frames: int, epoch: int, length: int) -> tuple[int, ...]:
    """The permutation of one epoch: places sorted by a random word each."""
    key = Key(seed, "order", str(frames))
    return tuple(sorted(range(length), key=lambda index: (key.word(epoch, index), index)))


def _span(frames: int, stride: int) -> int:
    return (frames - 1) * stride + 1


def _strides(window: Window) -> tuple[int, ...]:
    return (1,) if window.fps else window.strides


def _fitting(shot: Shot, window: Window, frames: int) -> list[int]:
    if window.fps:
        wanted = max(1, round(shot.fps / window.fps))
        return [min(wanted, (shot.frames - 1) // max(1, frames - 1) or 1)]
    return [stride for stride in window.strides if _span(frames, stride) <= shot.frames]


def _pick(options: Sequence[int], uniform: float) -> int:
    return options[int(uniform * len(options))]


def _large(shot: Shot, window: Window) -> bool:
    return window.view == "whole" or (shot.height >= window.height and shot.width >= window.width)


def _cut(folder: Folder, shot: Shot, window: Window, frames: range, where: tuple[float, float], flip: bool) -> Clip:
    """One clip: the crop at `where` (0 .. 1 down and across the room there is), sized and mirrored."""
    height, width = window.height, window.width
    if window.view == "whole":  # the largest part of the window's shape
        scale = min(shot.height / height, shot.width / width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = int(where[0] * (shot.height - height + 1)), int(where[1] * (shot.width - width + 1))
    pixels = folder.read(shot, frames)[:, :, top : top + height, left : left + width].transpose(1, 2, 3, 0)
    if (height, width) != (window.height, window.width):
        shrinks = height * width > window.height * window.width
        size, mode = (window.width, window.height), cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        shape = (window.height, window.width, pixels.shape[3])
        resized = (cv2.resize(np.ascontiguousarray(frame), size, interpolation=mode) for frame in pixels)
        pixels = np.stack([frame.reshape(shape) for frame in resized])
    if flip:
        pixels = pixels[:, :, ::-1]
    numbers = shot.numbers[list(frames)] if shot.numbers is not None and shot.numbers.ndim == 2 else shot.numbers
    stacked = np.ascontiguousarray(pixels.transpose(3, 0, 1, 2))
    return Clip(stacked, shot.caption, numbers, shot.fps / frames.step, f"{shot.key}+{frames.start}")


def _nothing(shots: Sequence[Shot], moving: Sequence[Shot], window: Window) -> str:
    span, size = _span(window.frames, min(_strides(window))), f"{window.width}x{window.height}"
    longest = max((shot.frames for shot in shots), default=0)
    if longest >= span and moving:
        largest = max(shots, key=lambda shot: min(shot.width, shot.height))
        return (
            f"crops need shots of at least {size} pixels and {span} frames, the largest is {largest.width}x"
            f"{largest.height}; take a larger `size` when the folder is opened, larger videos, or a smaller window"
        )
    return (
        f"a window of {window.frames} frames needs a shot of at least {span} frames, the longest has {longest}; "
        "add longer videos, or take fewer frames or smaller strides"
    )

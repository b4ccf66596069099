"""Batches of clips in an order that is a pure function of (seed, epoch, position).

Nothing is remembered between batches: the batch of step s is the same whether the stream began at 0 or at s,
on any number of ranks (each takes its part of every batch) and of workers.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Protocol, runtime_checkable

from framefall.data.buckets import Bucket, fitting, turn
from framefall.data.cached.ahead import Ahead
from framefall.data.cached.kept import Kept
from framefall.data.cached.shards import Encoder, Numbered, Shards
from framefall.data.cached.store import Store
from framefall.data.cached.told import told
from framefall.data.clip import Clip
from framefall.data.folder import Folder, Shot
from framefall.data.window import Window, cut, extent, fitting_strides, large_enough, shortest_stride, usable
from framefall.noise import Key


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

    @property
    def store(self) -> Store | None:
        """Where its clips are kept once they are made; None: nowhere."""
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
class ClipStream:
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
        stride = _pick(fitting_strides(shot, self.window, self.frames), draw.named("stride").uniform(epoch, place))
        room = shot.frames - extent(self.frames, stride) + 1
        start = int(room * (part + draw.named("start").uniform(epoch, place)) / parts)
        where = draw.named("row").uniform(epoch, place), draw.named("column").uniform(epoch, place)
        flip = self.window.flip and draw.named("flip").uniform(epoch, place) < 0.5
        return cut(self.folder, shot, self.window, range(start, shot.frames, stride)[: self.frames], where, flip)


@dataclass(frozen=True)
class Buckets:
    """A stream for each bucket that there are shots for; they take turns, a batch at a time."""

    streams: tuple[ClipStream, ...]
    seed: int

    def batch(self, number: int) -> tuple[ClipStream, int]:
        """Whose turn batch `number` is, and which of its own it is."""
        which, own = turn(tuple(len(stream.entries) for stream in self.streams), self.seed, number)
        return self.streams[which], own


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
    encoder: Encoder | None = None,
    say: Callable[[str], object] = str,
) -> Generator[list[Clip], None, None]:
    """Endless batches from step `start` on; this rank's are positions rank, rank + world_size, ... of each.

    With an `encoder` clips come with the states of their captions, as far as these can be kept. `workers` make clips
    ahead: threads that cut them out of a folder, or processes that simulate a world. What the reader should know, such
    as a full cache, is said once.

    Step s is all images when floor((s + 1) * image_share) > floor(s * image_share); a folder of nothing but
    images gives only those. Videos and images each keep their own order, and so does each bucket.
    """
    if batch < world_size or batch % world_size:
        raise ValueError(f"batch must be a multiple of the {world_size} ranks, got {batch}; try {world_size}")
    videos, images = streams(source, window, seed)
    share = (1.0 if videos is None else window.image_share) if images else 0.0
    turns = _Turns(videos, images, share, range(rank, batch, world_size), batch)
    if source.store is None:
        return _made(turns, start, workers)
    if isinstance(source, Folder):
        return told(_made(turns, start, workers), source, source.store, encoder, say)
    keeping = _Keeping(source.store, encoder, say, rank, world_size, workers)
    return _kept(turns, start, keeping) if isinstance(videos, Numbered) else _made(turns, start, workers)


def streams(
    source: Folder | Source, window: Window, seed: int
) -> tuple[Endless | Buckets | None, Endless | Buckets | None]:
    """The stream of videos and the stream of images; raises `ValueError` when nothing is usable."""
    if isinstance(source, Folder):
        return _streams(source, window, seed)
    if window.buckets:
        raise ValueError("buckets are for videos of a folder, this source draws clips of one shape; leave buckets out")
    return source.streams(window, seed)


def validation(source: Folder | Source, window: Window, count: int, seed: int) -> list[Clip]:
    """Up to `count` clips that never change, all of one shape; of a folder, centre crops at even distances,
    unflipped, at the preferred stride.

    Which parts of which shots is a ranking by `seed`: 8 clips are the first 8 of 16. The shape is the window's own;
    where no shot fills that, it is the fullest bucket's.
    """
    if not isinstance(source, Folder):
        return source.validation(window, count, seed)
    own = replace(window, buckets=())
    videos, images = _streams(source, own if usable(source.shots, own) else window, seed)
    stream = videos or images
    if isinstance(stream, Buckets):
        stream = max(stream.streams, key=lambda one: len(one.entries))
    assert isinstance(stream, ClipStream)
    ranked = sorted(stream.entries, key=lambda entry: Key(seed, "validation", entry[0].key).word(entry[1]))
    clips = []
    for shot, part, parts in ranked[:count]:
        stride = fitting_strides(shot, window, stream.frames)[0]
        room = shot.frames - extent(stream.frames, stride)
        begin = round(room * (part + 0.5) / parts)
        frames = range(begin, shot.frames, stride)[: stream.frames]
        clips.append(cut(source, shot, stream.window, frames, (0.5, 0.5), flip=False))
    return clips


def _streams(
    folder: Folder, window: Window, seed: int
) -> tuple[ClipStream | Buckets | None, ClipStream | Buckets | None]:
    moving = [shot for shot in folder.shots if shot.frames > 1 or window.frames == 1]
    stills = [shot for shot in folder.shots if shot.frames == 1 < window.frames and large_enough(shot, window)]
    videos: ClipStream | Buckets | None = _stream(folder, window, usable(moving, window), window.frames, seed)
    images: ClipStream | Buckets | None = _stream(folder, window, stills, 1, seed)
    if window.buckets:
        pictures = tuple(dict.fromkeys(replace(bucket, frames=1) for bucket in window.buckets))
        videos = _sorted(folder, window, moving, seed)
        images = _sorted(folder, replace(window, buckets=pictures), stills, seed)
    if videos is None and (images is None or moving):
        raise ValueError(_nothing(folder.shots, moving, window))
    return videos, images


def _sorted(folder: Folder, window: Window, shots: Sequence[Shot], seed: int) -> Buckets | None:
    """Each shot in the buckets that it can fill and whose aspect ratio is nearest to its own.

    Of those, it is blown up for none while there is one that it has the pixels for.
    """
    held: dict[Bucket, list[Shot]] = {bucket: [] for bucket in window.buckets}
    windows = {bucket: replace(window, **vars(bucket), buckets=()) for bucket in held}
    for shot in shots:
        able = [bucket for bucket in held if usable([shot], windows[bucket])]
        nearest = fitting(able, shot.height, shot.width)
        sharp = [bucket for bucket in nearest if bucket.height <= shot.height and bucket.width <= shot.width]
        for bucket in sharp or nearest:
            held[bucket].append(shot)
    made = (_stream(folder, windows[bucket], inside, bucket.frames, seed) for bucket, inside in held.items())
    filled = tuple(stream for stream in made if stream is not None)
    return Buckets(filled, seed) if filled else None


@dataclass(frozen=True)
class _Turns:
    """Which stream each step's batch is of, and which of its positions are this rank's."""

    videos: Endless | Buckets | None
    images: Endless | Buckets | None
    share: float  # of the steps are images
    places: range  # of a batch
    batch: int

    def at(self, step: int) -> tuple[Endless, list[int]]:
        """The stream and the positions of a step."""
        before = int(step * self.share)  # image batches before this step
        use_images = int((step + 1) * self.share) > before
        stream, own = (self.images, before) if use_images else (self.videos, step - before)
        if isinstance(stream, Buckets):
            stream, own = stream.batch(own)
        assert stream is not None
        return stream, [own * self.batch + place for place in self.places]


@dataclass(frozen=True)
class _Keeping:
    """How clips are kept."""

    store: Store
    encoder: Encoder | None
    say: Callable[[str], object]
    rank: int
    world_size: int
    workers: int


def _made(turns: _Turns, start: int, workers: int) -> Generator[list[Clip], None, None]:
    """Clips as they are made, by threads if there are any."""
    if not workers:
        for step in itertools.count(start):
            stream, wanted = turns.at(step)
            yield [stream.clip(position) for position in wanted]
    with ThreadPoolExecutor(workers) as pool:  # reading and resizing happen outside Python's lock
        ahead: deque[list[Future[Clip]]] = deque()
        try:
            for step in itertools.count(start):
                stream, wanted = turns.at(step)
                ahead.append([pool.submit(stream.clip, position) for position in wanted])
                if len(ahead) > workers:
                    yield [future.result() for future in ahead.popleft()]
        finally:
            for future in itertools.chain.from_iterable(ahead):
                future.cancel()


def _kept(turns: _Turns, start: int, how: _Keeping) -> Generator[list[Clip], None, None]:
    """Clips out of shards, which processes make ahead if there are workers."""
    with ExitStack() as stack:
        makers = stack.enter_context(closing(Ahead(how.workers, how.say))) if how.workers else None
        readers: dict[int, Kept] = {}
        for step in itertools.count(start):
            stream, wanted = turns.at(step)
            if id(stream) not in readers:
                assert isinstance(stream, Numbered)
                shards = Shards(stream, how.store, how.encoder)
                kept = Kept(shards, how.say, makers, rank=how.rank, world_size=how.world_size, ahead=how.workers + 1)
                readers[id(stream)] = stack.enter_context(closing(kept))
            yield readers[id(stream)].clips(wanted)


def _stream(folder: Folder, window: Window, shots: Sequence[Shot], frames: int, seed: int) -> ClipStream | None:
    entries = []
    for shot in shots:
        span = extent(frames, fitting_strides(shot, window, frames)[0])
        parts = -(-shot.frames // span)
        entries += [(shot, part, parts) for part in range(parts)]
    return ClipStream(folder, window, tuple(entries), frames, seed) if entries else None


def _pick(options: Sequence[int], uniform: float) -> int:
    return options[int(uniform * len(options))]


@lru_cache(maxsize=64)  # epochs; every bucket has its own
def _order(seed: int, frames: int, epoch: int, length: int) -> tuple[int, ...]:
    """The permutation of one epoch: places sorted by a random word each."""
    key = Key(seed, "order", str(frames))
    return tuple(sorted(range(length), key=lambda index: (key.word(epoch, index), index)))


def _nothing(shots: Sequence[Shot], moving: Sequence[Shot], window: Window) -> str:
    shortest = min((bucket.frames for bucket in window.buckets), default=window.frames)
    span, size = extent(shortest, shortest_stride(window)), f"{window.width}x{window.height}"
    longest = max((shot.frames for shot in shots), default=0)
    if longest >= span and moving:
        largest = max(shots, key=lambda shot: min(shot.width, shot.height))
        return (
            f"crops need shots of at least {size} pixels and {span} frames, the largest is {largest.width}x"
            f"{largest.height}; take a larger `size` when the folder is opened, larger videos, or a smaller window"
        )
    return (
        f"a window of {shortest} frames needs a shot of at least {span} frames, the longest has {longest}; "
        "add longer videos, or take fewer frames or smaller strides"
    )

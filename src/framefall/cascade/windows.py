"""In which windows a stage that sees so many frames at a time makes a clip of any length.

Windows overlap: each is told frames that are there already, those of the windows beside it and those that are given,
and makes the rest. What is made goes forward from the first frame; only what lies before the first known frame, with
nothing before it to go on from, is made backward.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Window:
    """`frames` are sampled together, and `keep` of them are new; none are sampled where all are known."""

    frames: range
    keep: range


def windows(
    total: int | None, size: int, history: int, known: Collection[int] = (), cuts: Collection[int] = ()
) -> Iterator[Window]:
    """The windows of a clip of `total` frames (None: it never ends), `size` at a time, `history` told of those before.

    `known` are the numbers of frames that are given; at each of `cuts` a new window begins. A clip that fits into one
    window, with nothing cut, is made at once.
    """
    if not 0 <= history < size:
        raise ValueError(f"history must be at least 0 and below the window's {size} frames, got {history}; try 6")
    if total is not None and total <= size and not any(0 < cut < total for cut in cuts):
        yield Window(range(size), range(total))
        return
    made = 0
    first = min(known, default=None)
    if first is not None and first > size - history:
        yield from _backward(first, size, history, known)
        made = first
    while total is None or made < total:
        if made in known:
            stop = next(frame for frame in count(made) if frame not in known)
            stop = stop if total is None else min(stop, total)
            yield Window(range(0), range(made, stop))
        else:
            after = min((frame for frame in known if frame > made), default=None)
            window = _forward(made, after, total, size, history, known)
            stop = min([window.keep.stop, *(cut for cut in cuts if cut > made)])
            yield Window(window.frames, range(made, stop))
        made = stop


def anchors(made: int, count: int, known: Collection[int] = (), cuts: Collection[int] = ()) -> range:
    """The `count` frames that whatever is made from frame `made` on is reminded of, however far it has come.

    They are the last that are given before it, which are true; or else the first of the scene, which are as near to its
    caption as anything will be. A language model's attention sinks (Xiao et al. 2024), as frames.
    """
    scene = max((cut for cut in cuts if cut <= made), default=0)
    given = max((frame for frame in known if scene <= frame < made), default=None)
    return range(scene, scene + count) if given is None else range(max(scene, given + 1 - count), given + 1)


def looped(total: int, size: int, history: int, known: Collection[int] = ()) -> Iterator[Window]:
    """The windows of a clip whose frame `total` is its frame 0 again: the last one is told both of its ends."""
    closing = min(total - 1, (size - history) // 2)
    told = min(history, total - closing)
    yield from windows(total - closing, size, history, known)
    stop = total + told
    start = max(0, stop - size)
    yield Window(range(start, start + size), range(total - closing, total))


def _forward(
    made: int, after: int | None, total: int | None, size: int, history: int, known: Collection[int]
) -> Window:
    """The window that goes on from `made` towards the known frame `after`, or towards the end."""
    start, stop, end = max(0, made - history), total, total
    if after is not None:
        context = next(number for number in count(1) if number == history or after + number not in known)
        stop, end = after, after + context
        if start + size < end:  # not the last one of the gap: that one has something left to make
            stop = after - max(1, (size - history - context) // 2)
    if end is not None and start + size >= end:  # the last one before something looks back as far as it can
        start = max(0, end - size)
    frames = range(start, start + size)
    return Window(frames, range(made, frames.stop if stop is None else min(frames.stop, stop)))


def _backward(first: int, size: int, history: int, known: Collection[int]) -> Iterator[Window]:
    """From the first known frame back to frame 0."""
    context = next(number for number in count(1) if number == history or first + number not in known)
    made = first
    while made > 0:
        stop = made + context
        start = max(0, stop - size)
        yield Window(range(start, start + size), range(start, made))
        made, context = start, history

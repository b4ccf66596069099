"""From the frames of a file, whenever they come, to frames at one exact rate."""

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from framefall.data.media.frame import Frame


def at_rate(
    frames: Iterator[Frame], fps: float, tick: float = 0.0, seconds: float = math.inf, blend: bool = False
) -> Iterator[Frame]:
    """Frame i is what the file shows at i/fps: the latest that began by then; the count is round(duration * fps).

    `tick` is the resolution of the file's clock in seconds: a frame that the clock rounded up by half a
    tick has still begun. A last frame is shown until `seconds` at most, however long it states to last.
    To `blend` is to mix each frame with the one after it, by how far it is on the way there, unless that is long.
    """
    # a coarse clock counts whole frames and is exact; only a fine one rounds (Matroska: milliseconds)
    slack = 0.51 * tick if tick <= 0.002 else 1e-6
    waiting: deque[Frame] = deque()  # chosen, but the file may end before their turn
    chosen = given = 0
    current: Frame | None = None
    for frame in frames:
        while current is not None and chosen / fps < frame.time - max(slack, 1e-6):
            shown = _between(current, frame, chosen / fps, 2 / fps) if blend else current
            waiting.append(replace(shown, time=chosen / fps, duration=1 / fps))
            chosen += 1
        while waiting and (given + 0.5) / fps <= frame.time:
            yield waiting.popleft()
            given += 1
        current = frame
    if current is None:
        return
    end = min(current.time + current.duration, max(seconds, current.time))
    count = max(1, math.floor(min(end * fps, 1e15) + 0.5 + 1e-6))
    while given < count:  # it may be shown for long: one at a time
        yield waiting.popleft() if waiting else replace(current, time=given / fps, duration=1 / fps)
        given += 1


def _between(one: Frame, other: Frame, time: float, longest: float) -> Frame:
    gap = other.time - one.time
    way = (time - one.time) / gap
    if gap > longest or way <= 0:
        return one
    mixed = one.pixels + way * (other.pixels.astype(np.float32) - one.pixels)
    return replace(one, pixels=np.rint(mixed).astype(np.uint8))


def divisor(own_fps: float, fps: float) -> int:
    """Every which frame to take of a file to come as near to a rate as its own rate has whole fractions."""
    below = max(1, math.floor(own_fps / fps))
    return min((below, below + 1), key=lambda every: abs(math.log(own_fps / every / fps)))


def rate_for(source_fps: float, fps: float) -> tuple[float, bool]:
    """The rate to keep of a file, and whether its frames are taken one to one.

    The largest of fps, fps/2, fps/3 ... that the file can give without showing a frame twice. A file up to
    5 % slower than that rate is taken frame by frame, as television shows films; an exact fraction is better.
    """
    divisor = max(1, round(fps / source_fps))
    if abs(fps / divisor / source_fps - 1) > 2e-3:
        divisor = max(1, math.ceil(fps / (1.05 * source_fps) - 1e-9))
    rate = fps / divisor
    return rate, rate > source_fps * (1 - 1e-4)


def pace(starts: Sequence[float], fps: float, tick: float = 0.0) -> tuple[bool, float]:
    """Whether frames of `starts` come evenly, to half a frame; and the rate that nine in ten of them keep.

    That is the usual `fps` where nearly all come at it, and some were lost or are late.
    """
    if len(starts) < 3 or starts[-1] <= starts[0]:
        return True, fps
    gap = (starts[-1] - starts[0]) / (len(starts) - 1)
    late = [start - starts[0] - number * gap for number, start in enumerate(starts)]
    if (max(late) - min(late)) / 2 <= 0.5 * gap + tick:
        return True, fps
    gaps = sorted(after - before for before, after in itertools.pairwise(starts))
    if sum(abs(each * fps - 1) < 0.4 for each in gaps) >= 0.95 * len(gaps):
        return False, fps
    return False, 1 / max(gaps[math.ceil(0.9 * len(gaps)) - 1], 1e-4)

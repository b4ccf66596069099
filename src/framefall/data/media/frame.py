"""The words every decoder of this room shares: a frame, what a file says of itself, limits, and the one error.

Exceptions: `DecodeError` (a `ValueError`): whatever was wrong with a file, in one plain sentence.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from framefall import bounded


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture and when it is shown."""

    time: float  # seconds after the first frame
    pixels: np.ndarray  # uint8 [height, width, channels]
    duration: float  # seconds it stays
    source: int  # its number among the frames of the file


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a file says of itself, checked against its first frame and the time stamps of all."""

    width: int  # in square pixels, after rotation
    height: int
    fps: float  # the usual rate: one over the median gap where gaps differ
    duration: float  # seconds
    frames: int
    steady: bool = True  # whether frames come evenly, to half a frame, so that counting them is telling the time
    sustained_fps: (
        float  # the rate that nine in ten frames keep: where they do not come evenly, the one to show them at
    )
    rotation: int  # degrees counter-clockwise that were applied
    notes: tuple[str, ...] = ()  # what is lost on the way to 8-bit pictures
    breaks: tuple[int, ...] = ()  # frames before which something is missing: no shot goes on over them


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a file may ask of this machine; above it, it is refused before memory is spent."""

    pixels: int = 40_000_000  # of one source frame
    frames: int = 500_000
    seconds: float = 3600.0

    @property
    def video_pixels(self) -> int:
        """Of a video's frame: those of 8K, which no camera exceeds; more where more is allowed than by default."""
        return self.pixels if self.pixels > Limits.pixels else min(self.pixels, _EIGHT_K)


@dataclass(frozen=True)
class Source:
    """An open plain file, and what it is called."""

    path: Path
    file: int  # its descriptor


class DecodeError(ValueError):
    """A file that cannot be read; `reason` is the sentence without the path."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{readable(path)} cannot be read: {reason}")


@contextlib.contextmanager
def open_source(path: str | Path) -> Iterator[Source]:
    """A plain file, open to be read; a `DecodeError` says what it is instead."""
    try:
        with bounded.opened(path) as file:
            yield Source(Path(path), file)
    except bounded.Unreadable as error:
        raise DecodeError(path, f"it {error.reason.partition(':')[0]}") from None
    except FileNotFoundError:
        raise DecodeError(path, "it is a link to nothing" if os.path.islink(path) else "it is not there") from None
    except PermissionError:
        raise DecodeError(path, "this user may not read it") from None


def readable(path: str | Path) -> str:
    """A path as text that prints and hashes anywhere, also when its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


FORMATS = {1: "gray", 3: "rgb24", 4: "rgba"}  # channels: the pixel format that has them


def target_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height with the short side at `short_side`; a smaller picture keeps its own size."""
    scale = 1.0 if short_side is None else min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_size(path: str | Path, width: int, height: int, most: int) -> None:
    """Refuses pictures of no size, and of more pixels than allowed."""
    if width <= 0 or height <= 0:
        raise DecodeError(path, "it states no picture size, so its header is damaged")
    if width * height > most:
        raise DecodeError(path, f"{width}x{height} is above the limit of {most} pixels a frame")


def most_frames(source: Source, width: int, height: int, *, moving: bool = False) -> int:
    """How many frames of a size a file may unpack to, for the bytes that it has.

    A still scene costs a video few bytes, and all the more of its pixels the smaller they are; what unpacks to far more
    is made to exhaust whoever opens it. `moving` pictures (GIF and its kin) are small, or have their bytes.
    """
    large = moving or width * height > _LARGE
    pixels = (_FREE_MOVING if moving else _FREE) + os.fstat(source.file).st_size * (_EACH_LARGE if large else _EACH)
    return max(1, pixels // max(1, width * height))


def check_frames(source: Source, frames: int, width: int, height: int, *, moving: bool = False) -> None:
    """Refuses a file of more frames than `most_frames`."""
    if frames > (most := most_frames(source, width, height, moving=moving)):
        size = os.fstat(source.file).st_size
        raise DecodeError(
            source.path,
            f"it unpacks to {frames} frames of {width}x{height} from {size:,} bytes, above the limit of {most} frames"
            " for so few; encode it again, in less large pictures",
        )


_EIGHT_K = 8192 * 4320  # pixels of a frame
_LARGE = 1920 * 1088  # pixels of a frame
_FREE, _FREE_MOVING = 3_000_000_000, 500_000_000  # pixels in all, however few bytes there are
_EACH, _EACH_LARGE = 20_000, 1_000  # pixels for every byte

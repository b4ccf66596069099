"""The words every decoder of this room shares: a frame, what a file says of itself, limits, and the one error.

Exceptions: `DecodeError` (a `ValueError`): whatever was wrong with a file, in one plain sentence.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np


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
    rotation: int  # degrees counter-clockwise that were applied
    notes: tuple[str, ...] = ()  # what is lost on the way to 8-bit pictures
    breaks: tuple[int, ...] = ()  # frames before which something is missing: no shot goes on over them


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a file may ask of this machine; above it, it is refused before memory is spent."""

    pixels: int = 40_000_000  # of one source frame
    frames: int = 500_000
    seconds: float = 3600.0


class DecodeError(ValueError):
    """A file that cannot be read; `reason` is the sentence without the path."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{readable(path)} cannot be read: {reason}")


def readable(path: str | Path) -> str:
    """A path as text that prints and hashes anywhere, also when its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


FORMATS = {1: "gray", 3: "rgb24", 4: "rgba"}  # channels: the pixel format that has them


def target_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height with the short side at `short_side`; a smaller picture keeps its own size."""
    scale = 1.0 if short_side is None else min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_size(path: str | Path, width: int, height: int, limits: Limits) -> None:
    """Refuses pictures of no size, and of more pixels than `limits` allows."""
    if width <= 0 or height <= 0:
        raise DecodeError(path, "it states no picture size, so its header is damaged")
    if width * height > limits.pixels:
        raise DecodeError(path, f"{width}x{height} is above the limit of {limits.pixels} pixels a frame")

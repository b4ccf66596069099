"""What is cut out of a shot to make a clip: so many frames, at a rate, of a size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from framefall.data.buckets import Bucket
from framefall.data.clip import Clip
from framefall.data.folder import Folder, Shot


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
    buckets: tuple[Bucket, ...] = ()  # shapes instead of `frames`, `height` and `width`; a batch is of one of them

    def __post_init__(self) -> None:
        if not self.strides or min(self.frames, self.height, self.width, *self.strides) < 1:
            raise ValueError(f"frames, height, width and strides must be at least 1, got {self}")
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps must be above 0, got {self.fps}; try 6")
        if self.view not in ("whole", "crop"):
            raise ValueError(f"view must be one of whole, crop; got {self.view!r}")
        if not 0 <= self.image_share <= 1:
            raise ValueError(f"image_share must be from 0 to 1, got {self.image_share}; try 0.2")


def usable(shots: Sequence[Shot], window: Window) -> tuple[Shot, ...]:
    """The shots long enough for the smallest stride and, for a crop, large enough."""
    span = extent(window.frames, shortest_stride(window))
    return tuple(shot for shot in shots if shot.frames >= span and large_enough(shot, window))


def extent(frames: int, stride: int) -> int:
    """How many frames of a shot a clip reaches over."""
    return (frames - 1) * stride + 1


def shortest_stride(window: Window) -> int:
    """The smallest step between frames that the window allows."""
    return 1 if window.fps else min(window.strides)


def fitting_strides(shot: Shot, window: Window, frames: int) -> list[int]:
    """The strides at which a shot is long enough, the preferred one first."""
    if window.fps:
        wanted = max(1, round(shot.fps / window.fps))
        return [min(wanted, (shot.frames - 1) // max(1, frames - 1) or 1)]
    return [stride for stride in window.strides if extent(frames, stride) <= shot.frames]


def large_enough(shot: Shot, window: Window) -> bool:
    """Whether a crop of the window's size fits into the shot; whole pictures are made to fit."""
    return window.view == "whole" or (shot.height >= window.height and shot.width >= window.width)


def cut(folder: Folder, shot: Shot, window: Window, frames: range, where: tuple[float, float], flip: bool) -> Clip:
    """One clip: the crop at `where` (0 .. 1 down and across the room there is), sized and mirrored."""
    height, width = window.height, window.width
    if window.view == "whole":  # the largest part of the window's shape
        scale = min(shot.height / height, shot.width / width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = int(where[0] * (shot.height - height + 1)), int(where[1] * (shot.width - width + 1))
    pixels = folder.read(shot, frames)[:, :, top : top + height, left : left + width].transpose(1, 2, 3, 0)
    valid = None
    if pixels.dtype == np.float32:
        pixels, valid = fitted(pixels, (window.height, window.width))
    elif (height, width) != (window.height, window.width):
        shrinks = height * width > window.height * window.width
        size, mode = (window.width, window.height), cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        shape = (window.height, window.width, pixels.shape[3])
        resized = (cv2.resize(np.ascontiguousarray(frame), size, interpolation=mode) for frame in pixels)
        pixels = np.stack([frame.reshape(shape) for frame in resized])
    if flip:
        pixels, valid = pixels[:, :, ::-1], None if valid is None else valid[:, :, ::-1]
    numbers = shot.numbers[list(frames)] if shot.numbers is not None and shot.numbers.ndim == 2 else shot.numbers
    stacked = np.ascontiguousarray(pixels.transpose(3, 0, 1, 2))
    there = None if valid is None else np.ascontiguousarray(valid.transpose(3, 0, 1, 2))
    return Clip(stacked, shot.caption, numbers, shot.fps / frames.step, f"{shot.key}+{frames.start}", valid=there)


def fitted(values: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Values of a field [frames, height, width, channels] at another size, 0 where they are missing (NaN).

    And where they are there; None: everywhere. A smaller pixel is the mean of what is there of those that it covers,
    and is missing where that is less than half of it. A larger one is interpolated, and is never more than its source.
    """
    there = ~np.isnan(values)
    whole = bool(there.all())
    values = values if whole else np.where(there, values, np.float32(0))
    if values.shape[1:3] != size:
        values = _resized(values, size)
        if not whole:
            weights = _resized(there.astype(np.float32), size)
            there = weights >= 0.5
            values = np.where(there, values / np.maximum(weights, 0.5), np.float32(0))
    return values.astype(np.float32), None if whole else there


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames of any number of channels at another size: the mean of what a pixel covers, or between its neighbours."""
    shrinks = values.shape[1] * values.shape[2] > size[0] * size[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = values.transpose(0, 3, 1, 2).reshape(-1, *values.shape[1:3])
    made = np.stack([cv2.resize(np.ascontiguousarray(plane), size[::-1], interpolation=mode) for plane in planes])
    return made.reshape(len(values), values.shape[3], *size).transpose(0, 2, 3, 1)

"""Dense optical flow: between two frames, and of a whole clip, worked out once for every metric that needs it.

The flow is OpenCV's DIS (Kroeger et al. 2016): classical, no weights, a few milliseconds at small sizes. The cost of a
clip's is bounded: pixels are compared on frames of at most 256 x 256 pixels' area, and flow is found on a grid of at
most 128 x 128 (larger frames are averaged down). Smaller clips are taken as they are.
"""

import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from framefall.video import resize

LOOK_SIDE = 256  # pixels; the root of the largest area that pixels are compared on
GRID_SIDE = 128  # the same for flow, whose cost would otherwise be most of the suite's
FLOW_SIDE = 64  # pixels; smaller grids are enlarged to this inside, DIS needs room for its 8-pixel patches

_LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709

SingleVideo = Float[Tensor, "1 channels frames height width"]  # one video, -1..1
Grey = UInt8[np.ndarray, "rows columns"]
Field = Float[np.ndarray, "rows columns 2"]  # right and down


@dataclass(frozen=True, eq=False)
class Motion:
    """One clip and its optical flow by DIS (Kroeger et al. 2016), in pixels of the grid (x right, y down).

    `forth[i]` leads from frame `i` to `i + 1`, `back[i]` from `i + 1` to `i`. A flow is sure where the other
    one leads home again (Sundaram et al. 2010); elsewhere the place is hidden, uncovered or untrackable.
    A clip that is not finite has no frames here: nothing about it is measurable.
    """

    frames: Float[np.ndarray, "frames height width channels"]  # 0..1
    luma: UInt8[np.ndarray, "frames rows columns"]
    forth: Float[np.ndarray, "pairs rows columns 2"]
    back: Float[np.ndarray, "pairs rows columns 2"]
    sure_forth: Bool[np.ndarray, "pairs rows columns"]
    sure_back: Bool[np.ndarray, "pairs rows columns"]
    fps: float

    @property
    def pairs(self) -> int:
        """How many pairs of neighbouring frames there are."""
        return len(self.forth)

    @property
    def speed(self) -> Float[np.ndarray, "pairs rows columns"]:
        """The length of the flow forth, pixels of the grid a frame."""
        return np.sqrt(square(self.forth))

    def next_seen_from(self, index: int) -> "WarpedFrame":
        """Frame `index + 1` fetched onto frame `index`."""
        return _fetch(self.frames[index + 1], self.forth[index], self.sure_forth[index])

    def last_seen_from(self, index: int) -> "WarpedFrame":
        """Frame `index - 1` fetched onto frame `index`, in the same way."""
        return _fetch(self.frames[index - 1], self.back[index - 1], self.sure_back[index - 1])


@dataclass(frozen=True, eq=False)
class WarpedFrame:
    """A neighbouring frame fetched onto another; where it lies inside the picture, and where the flow is sure."""

    image: Float[np.ndarray, "height width channels"]
    inside: Bool[np.ndarray, "height width"]
    sure: Bool[np.ndarray, "height width"]


def look(video: SingleVideo, fps: float = math.nan) -> Motion:
    """The motion of one clip; numbers a second need its `fps`."""
    frames = frames_of(video)
    small = _bounded(torch.from_numpy(brightness(frames))[None], GRID_SIDE)[0]  # one channel to shrink instead of all
    luma = small.mul(255).round().clamp(0, 255).byte().numpy()
    roomy = [_with_room(image) for image in luma]
    shape = (max(len(luma) - 1, 0), *luma.shape[1:])
    forth, back = np.zeros((*shape, 2), np.float32), np.zeros((*shape, 2), np.float32)
    sure_forth, sure_back = np.zeros(shape, bool), np.zeros(shape, bool)
    with one_thread():
        for index, (one, other) in enumerate(itertools.pairwise(roomy)):
            forth[index] = dense_flow(one, other, luma.shape[1:])
            back[index] = dense_flow(other, one, luma.shape[1:])
            sure_forth[index] = _sure(forth[index], back[index])
            sure_back[index] = _sure(back[index], forth[index])
    return Motion(frames, luma, forth, back, sure_forth, sure_back, fps)


def frames_of(video: SingleVideo) -> Float[np.ndarray, "_ _ _ channels"]:
    """The frames on which pixels are compared, 0..1: large ones averaged down, none of a clip that is not finite."""
    clip = video[0].detach().float().cpu()
    if not torch.isfinite(clip).all():
        clip = clip[:, :0]
    seen = _bounded(clip, LOOK_SIDE).add(1.0).mul(0.5)
    return np.asarray(seen.permute(1, 2, 3, 0).contiguous().numpy())


def brightness(frames: Float[np.ndarray, "*rest channels"]) -> Float[np.ndarray, "*rest"]:
    """Luma: Rec. 709 for three channels, otherwise their mean."""
    channels = frames.shape[-1]
    return frames @ np.array(_LUMA if channels == 3 else [1 / channels] * channels, np.float32)


def flow_between(one: Grey, other: Grey) -> Field:
    """DIS flow between any two frames of a grid, in its pixels."""
    return dense_flow(_with_room(one), _with_room(other), one.shape)


def dense_flow(
    one: UInt8[np.ndarray, "high wide"], other: UInt8[np.ndarray, "high wide"], size: Sequence[int]
) -> Field:
    """Where each place of `one` lies in `other`, found at their size and given on a grid of `size`, in its pixels.

    Always on one thread of OpenCV's, so that it cannot depend on the number of cores.
    """
    with one_thread():
        found = np.asarray(cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(one, other, None))
    rows, columns = size
    if found.shape[:2] == (rows, columns):
        return found
    scale = np.array((found.shape[1] / columns, found.shape[0] / rows), np.float32)
    return np.asarray(cv2.resize(found, (columns, rows), interpolation=cv2.INTER_AREA) / scale)


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread for the length of the block, and on as many as before when the last such block ends."""
    global _blocks, _before
    with _lock:  # the setting is the process's, and clips are measured by several threads of it
        if not _blocks:
            _before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                cv2.setNumThreads(_before)


_lock, _blocks, _before = threading.Lock(), 0, 0


def follow(
    field: Float[np.ndarray, "rows columns *c"], flow: Float[np.ndarray, "rows columns 2"]
) -> Float[np.ndarray, "rows columns *c"]:
    """A field read where the flow leads, between its pixels; beyond the edge it is what it is at the edge."""
    rows, columns = flow.shape[:2]
    x = np.arange(columns, dtype=np.float32)[None] + flow[..., 0]
    y = np.arange(rows, dtype=np.float32)[:, None] + flow[..., 1]
    read = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read).reshape(field.shape)


def at_full_size(mask: Bool[np.ndarray, "rows columns"], size: tuple[int, ...]) -> Bool[np.ndarray, "height width"]:
    """A mask of the grid on frames of the full size."""
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)).astype(bool)


def square(flow: Float[np.ndarray, "*rest 2"]) -> Float[np.ndarray, "*rest"]:
    """The squared length of each vector."""
    return flow[..., 0] ** 2 + flow[..., 1] ** 2  # a sum over so short an axis is ten times slower


def _sure(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    returned = follow(back, there)
    return np.asarray(square(there + returned) <= 0.01 * (square(there) + square(returned)) + 0.5)


def _fetch(image: np.ndarray, flow: np.ndarray, sure: np.ndarray) -> WarpedFrame:
    """An image seen along a flow of its own or a smaller size."""
    height, width = image.shape[:2]
    rows, columns = flow.shape[:2]
    if (rows, columns) != (height, width):
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
        flow *= np.array((width / columns, height / rows), np.float32)
        sure = at_full_size(sure, (height, width))
    x = np.arange(width, dtype=np.float32)[None] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # bicubic: a linear fetch blurs, and every crisp detail would then stick out of its envelope
    groups = np.split(image, range(4, image.shape[2], 4), axis=2)  # OpenCV fetches no more than 4 channels at once
    fetched = [cv2.remap(group, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE) for group in groups]
    return WarpedFrame(np.concatenate([each.reshape(height, width, -1) for each in fetched], axis=2), inside, sure)


def _with_room(image: np.ndarray) -> np.ndarray:
    """A frame of at least 64 pixels a side."""
    rows, columns = image.shape
    if min(rows, columns) >= FLOW_SIDE:
        return image
    size = (max(columns, FLOW_SIDE), max(rows, FLOW_SIDE))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC))


def _bounded(clip: Tensor, side: int) -> Tensor:
    """The same clip averaged down until a frame covers no more than a square of this side."""
    height, width = clip.shape[-2:]
    scale = side / math.sqrt(height * width)
    if scale >= 1.0 or clip.shape[1] == 0:
        return clip
    return resize(clip[None], max(1, round(height * scale)), max(1, round(width * scale)), "area")[0]

"""Rectangles of one size in the frames of a canvas, to draw only where something moves."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor


def take(canvas: Tensor, patches: "Patches", repeat: int = 1) -> Tensor:
    """The patches `[n, channels, height, width]` of a canvas `[frames, channels, rows, columns]`.

    Each frame of the canvas stands for `repeat` frames.
    """
    if canvas.device.type != "cpu":
        return _windows(canvas, patches)[patches.frame // repeat, :, patches.top, patches.left]
    taken = canvas.new_empty(len(patches.places), canvas.shape[1], patches.height, patches.width)
    source, target, height, width = canvas.numpy(), taken.numpy(), patches.height, patches.width
    for index, (frame, left, top) in enumerate(patches.places):  # twice as fast as an indexed copy
        target[index] = source[frame // repeat, :, top : top + height, left : left + width]
    return taken


def put(canvas: Tensor, patches: "Patches", values: Tensor) -> None:
    """Writes patches into a canvas; where two overlap they must agree."""
    if canvas.device.type != "cpu":
        _windows(canvas, patches)[patches.frame, :, patches.top, patches.left] = values
        return
    target, source, height, width = canvas.numpy(), values.numpy(), patches.height, patches.width
    for index, (frame, left, top) in enumerate(patches.places):
        target[frame, :, top : top + height, left : left + width] = source[index]


def _windows(canvas: Tensor, patches: "Patches") -> Tensor:
    """Every window of a size, as a view `[frames, channels, top, left, height, width]`."""
    return canvas.unfold(-2, patches.height, 1).unfold(-2, patches.width, 1)


class Patches:
    """`n` rectangles of one size in the frames of a canvas."""

    def __init__(
        self,
        frame: Int64[np.ndarray, " n"],
        box: Float[np.ndarray, "n 4"],
        rows: int,
        columns: int,
        align: int,
        device: torch.device,
    ) -> None:
        """The smallest that hold `box` (left, top, right, bottom) within a canvas, on a grid of `align` pixels."""
        box = np.clip(box, 0, (columns, rows, columns, rows))
        corner = np.floor(box[:, :2] / align).astype(np.int64) * align
        extent = np.ceil((box[:, 2:] - corner).max(axis=0) / align).astype(np.int64) * align
        self.width, self.height = min(int(extent[0]), columns), min(int(extent[1]), rows)
        self.corner = np.minimum(corner, (columns - self.width, rows - self.height))
        self.device, self._frame = device, frame

    @property
    def places(self) -> list[tuple[int, int, int]]:
        """Frame, left and top of each."""
        return list(zip(self._frame.tolist(), *self.corner.T.tolist(), strict=True))

    @property
    def frame(self) -> Int64[Tensor, " n"]:
        """The frame of each."""
        return torch.from_numpy(self._frame).to(self.device)

    @property
    def left(self) -> Int64[Tensor, " n"]:
        """The first column of each."""
        return torch.from_numpy(self.corner[:, 0].copy()).to(self.device)

    @property
    def top(self) -> Int64[Tensor, " n"]:
        """The first row of each."""
        return torch.from_numpy(self.corner[:, 1].copy()).to(self.device)

    def shrunk(self, factor: int) -> "Patches":
        """The same patches of a picture that is `factor` times smaller."""
        small = object.__new__(Patches)
        small.width, small.height, small.corner = self.width // factor, self.height // factor, self.corner // factor
        small.device, small._frame = self.device, self._frame
        return small

    def offsets(self, centre: Float[np.ndarray, "n 2"]) -> tuple[Tensor, Tensor]:
        """Each pixel's middle from a centre, as `[n, 1, width]` to the right and `[n, height, 1]` down."""
        local = torch.from_numpy((centre - self.corner).astype(np.float32)).to(self.device)
        across = torch.arange(self.width, device=local.device).add(0.5)
        down = torch.arange(self.height, device=local.device).add(0.5)
        return (across - local[:, :1])[:, None, :], (down - local[:, 1:])[:, :, None]

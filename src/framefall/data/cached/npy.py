"""Frames streamed into a `.npy` file whose length is known only at the end."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


class FrameFile:
    """A growing uint8 array [frames, height, width, channels]; the header is made true when it closes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._frame: tuple[int, ...] | None = None
        self.frames = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array so far."""
        return (self.frames, *(self._frame or ()))

    def append(self, frame: np.ndarray) -> None:
        """Adds one frame, uint8 [height, width, channels]."""
        if self._frame is None:
            self._frame = frame.shape
            self.finish()
        assert frame.shape == self._frame and frame.dtype == np.uint8
        self._stream.write(np.ascontiguousarray(frame).data)
        self.frames += 1

    def finish(self) -> None:
        """Writes the header; numpy leaves room in it for the first axis to grow, so its length never changes."""
        self._stream.seek(0)
        header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._stream, header)


@contextlib.contextmanager
def frame_file(path: Path) -> Iterator[FrameFile]:
    """Opens `path` (a partial name) to stream frames into."""
    with open(path, "wb") as stream:
        file = FrameFile(stream)
        yield file
        file.finish()


def frame_offset(path: Path) -> tuple[tuple[int, ...], int]:
    """Shape and the byte at which the first frame begins."""
    with open(path, "rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, _ = np.lib.format.read_array_header_1_0(stream)
        return shape, stream.tell()

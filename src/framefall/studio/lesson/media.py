"""Pictures of the lesson: the frames of a clip side by side in one WebP, or a clip as mp4.

A strip of frames needs no video decoder, so that a diagram can draw any frame at once and by its number.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from framefall.data.media.writer import write
from framefall.video import Video, to_frames

LOSSLESS = 64  # pixels: strips of frames up to this high keep every pixel
QUALITY = 72  # of WebP, for larger frames


@dataclass(frozen=True)
class Media:
    """Where an example's pictures go; they are named for it."""

    folder: Path
    example: str
    made: list[str] = field(default_factory=list)  # names of files

    def strip(self, name: str, video: Video, fps: float, quality: int | None = None) -> dict[str, Any]:
        """The first clip's frames side by side, and what a page must know to draw them."""
        frames = to_frames(video)
        count, height, width, channels = frames.shape
        row = np.ascontiguousarray(frames.transpose(1, 0, 2, 3)).reshape(height, count * width, channels)
        file = self._named(name, "webp")
        exact = quality is None and height <= LOSSLESS
        options: dict[str, Any] = {"lossless": True} if exact else {"quality": quality or QUALITY}
        Image.fromarray(row).save(self.folder / file, format="WEBP", method=6, **options)
        return {"strip": file, "frames": count, "height": height, "width": width, "fps": fps}

    def film(self, name: str, video: Video, fps: float) -> dict[str, Any]:
        """The first clip as a video that browsers play."""
        frames = to_frames(video)
        file = self._named(name, "mp4")
        write(self.folder / file, [frames], fps, overwrite=True)
        count, height, width, _ = frames.shape
        return {"film": file, "frames": count, "height": height, "width": width, "fps": fps}

    def _named(self, name: str, suffix: str) -> str:
        self.made.append(f"{self.example}-{name}.{suffix}")
        return self.made[-1]


def strip_frames(path: Path, frames: int) -> np.ndarray:
    """The frames of a strip, uint8 `[frames, height, width, channels]`."""
    with Image.open(path) as picture:
        row = np.asarray(picture.convert("RGB"))
    return row.reshape(row.shape[0], frames, -1, 3).transpose(1, 0, 2, 3)

"""A clip as bytes of a bounded size, three channels, the picture innermost: what all of the tracker looks at."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from torch import Tensor

from framefall.video import Video, to_pixels

LARGEST = 128  # pixels of the shorter side that a clip is looked at with; a larger one is averaged down

Picture = UInt8[np.ndarray, "rows columns 3"]
Pictures = UInt8[np.ndarray, "frames rows columns 3"]
PixelMask = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, eq=False)
class WorkingClip:
    """A clip at its working size; a place in it times `scale` is a place in the clip as it was given."""

    pictures: Pictures
    scale: float
    height: int  # as given
    width: int


def working_clip(video: Video) -> WorkingClip:
    """The first video of a batch. One or two channels count as grey, of more than three the first three are seen."""
    height, width = video.shape[-2:]
    return WorkingClip(working_pictures(video), max(1.0, min(height, width) / LARGEST), height, width)


def working_pictures(video: Video) -> Pictures:
    """The working pictures themselves; what is not a number is black."""
    bytes_ = to_pixels(_three(video[0]).nan_to_num(-1.0))  # channels frames height width
    frames = np.ascontiguousarray(bytes_.permute(1, 2, 3, 0).cpu().numpy())
    height, width = frames.shape[1:3]
    scale = min(height, width) / LARGEST
    if scale <= 1:
        return frames
    size = max(1, round(width / scale)), max(1, round(height / scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _three(clip: Tensor) -> Tensor:
    if len(clip) >= 3:
        return clip[:3]
    return clip.mean(dim=0, keepdim=True).expand(3, *clip.shape[1:])

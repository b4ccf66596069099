"""The video tensor: layout, range, bytes and resizing.

A video is `[batch, channels, frames, height, width]`, float in -1..1, with any number of channels.
An image is a video of one frame.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from framefall.ranges import Channels, Length, Rate

Video = Float[Tensor, "batch channels frames height width"]  # -1 .. 1
# diffusion time: 0 is clean data, 1 is pure noise; one for a clip, or one a frame
Time = Float[Tensor, " batch"] | Float[Tensor, "batch frames"]
Scores = Float[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class VideoShape:
    """What one clip of a stage is made of; `fps` is its frames a second."""

    channels: Channels = 3
    frames: Length = 16
    height: Length = 64
    width: Length = 64
    fps: Rate = 6.0

    def __post_init__(self) -> None:
        for name in ("channels", "frames", "height", "width", "fps"):
            if not getattr(self, name) > 0:  # nor NaN
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}; try a positive number")


def from_pixels(pixels: np.ndarray | Tensor) -> Tensor:
    """Whole-number pixels (uint8 or uint16, any layout) to float32 in -1..1."""
    if isinstance(pixels, np.ndarray) and not (pixels.flags.writeable and pixels.flags.c_contiguous):
        pixels = pixels.copy()  # torch takes no array that runs backwards, and warns of one that is read-only
    pixels = torch.as_tensor(pixels)
    return pixels.float().mul_(2.0 / _top(pixels.dtype)).sub_(1.0)


def to_pixels(video: Tensor, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Float in -1..1 to the nearest whole-number pixel, clipped to the range."""
    top = _top(dtype)
    return video.float().add(1.0).mul_(top / 2.0).round_().clamp_(0, top).to(dtype)


def to_frames(video: Video) -> UInt8[np.ndarray, "frames height width channels"]:
    """The first clip's frames as bytes, laid out as files and pictures are."""
    frames: np.ndarray = to_pixels(video[0]).permute(1, 2, 3, 0).cpu().numpy()
    return frames


def _top(dtype: torch.dtype) -> float:
    """The pixel value that is white."""
    tops = {torch.uint8: 255.0, torch.uint16: 65535.0}
    if dtype not in tops:
        raise ValueError(f"pixels must be uint8 or uint16, got {dtype}; convert them first")
    return tops[dtype]


def resize(video: Tensor, height: int, width: int, mode: str = "bicubic") -> Tensor:
    """Each frame at another size: `area` averages, `bicubic` is anti-aliased when it shrinks.

    An `area` resize by a whole factor is the exact mean of each block, so that shrinking by 2 twice
    is shrinking by 4.
    """
    *lead, frames, old_height, old_width = video.shape
    if (old_height, old_width) == (height, width):
        return video
    images = video.transpose(-4, -3).reshape(-1, video.shape[-4], old_height, old_width)
    if mode == "area":
        images = F.adaptive_avg_pool2d(images, (height, width))
    elif mode == "bicubic":
        shrinking = height < old_height or width < old_width
        images = F.interpolate(images, (height, width), mode="bicubic", align_corners=False, antialias=shrinking)
    else:
        raise ValueError(f"mode must be one of area, bicubic; got {mode!r}")
    channels = images.shape[1]
    return images.reshape(*lead[:-1], frames, channels, height, width).transpose(-4, -3)

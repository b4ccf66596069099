"""Images, animated images and folders of frames, decoded by Pillow."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from framefall.data.media.frame import DecodeError, Frame, Limits, VideoInfo, check_size, target_size
from framefall.data.media.streams import over_black
from framefall.data.media.timeline import pace

KINDS = frozenset({"gif", "png", "jpeg", "webp", "bmp", "tiff"})
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
DEFAULT_FPS = 24.0


def read(path: Path, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    """The frames of one image file; a still image has one, shown for as long as a frame of the default rate."""
    time = 0.0
    with _open(path, limits) as image:
        for number, duration in _pages(path, image, limits):
            upright = ImageOps.exif_transpose(image)
            yield Frame(time, _pixels(path, upright, short_side, channels), duration, number)
            time += duration


def probe(path: Path, limits: Limits) -> VideoInfo:
    """Size and timing of an image file."""
    with _open(path, limits) as image:
        rotation = _EXIF_ROTATION.get(image.getexif().get(0x0112, 1), 0)
        width, height = ImageOps.exif_transpose(image).size
        notes = ("transparent parts are shown on black",) if _has_alpha(image) else ()
        shown = [duration for _, duration in _pages(path, image, limits)]
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


def frame_files(folder: Path) -> list[Path]:
    """The frames in a folder, in the order a person would count them."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    return sorted(files, key=natural)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A sort key by which frame 9 comes before frame 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path.name)]


def read_folder(folder: Path, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    """A folder of equally large images as one video, at the rate in its `fps.txt`."""
    fps, files = _fps(folder), _checked_files(folder, limits)
    size = None
    for number, file in enumerate(files):
        with _open(file, limits) as image:
            upright = ImageOps.exif_transpose(image)
            size = size or upright.size
            if upright.size != size:
                raise DecodeError(folder, f"its frames must have one size: {file.name} is {upright.size}, not {size}")
            yield Frame(number / fps, _pixels(file, upright, short_side, channels), 1 / fps, number)


def probe_folder(folder: Path, limits: Limits) -> VideoInfo:
    """Size and timing of a folder of frames."""
    fps, files = _fps(folder), _checked_files(folder, limits)
    with _open(files[0], limits) as image:
        width, height = ImageOps.exif_transpose(image).size
    return VideoInfo(
        width=width,
        height=height,
        fps=fps,
        sustained_fps=fps,
        duration=len(files) / fps,
        frames=len(files),
        rotation=0,
    )


def _open(path: Path, limits: Limits) -> Image.Image:
    image = Image.open(path, formats=["GIF", "PNG", "JPEG", "WEBP", "BMP", "TIFF"])
    try:
        check_size(path, *image.size, limits)
    except DecodeError:
        image.close()
        raise
    return image


def _pages(path: Path, image: Image.Image, limits: Limits) -> Iterator[tuple[int, float]]:
    """Seeks through the pages of an animation: number and seconds of each. A many-page TIFF is its first page."""
    moving = image.format in ("GIF", "PNG", "WEBP") and getattr(image, "is_animated", False)
    number, total, begin = 0, 0.0, 0
    if moving and image.format == "PNG" and image.info.get("default_image"):
        begin = 1  # an APNG may hold a still for old readers that is no part of the animation
    while True:
        if moving:
            try:
                image.seek(begin + number)
            except EOFError:
                break
            image.load()
        # browsers show a page of no stated length for 0.1 s
        duration = (float(image.info.get("duration") or 0) / 1000 or 0.1) if moving else 1 / DEFAULT_FPS
        if number >= limits.frames or total >= limits.seconds:
            raise DecodeError(path, f"it is longer than the limit of {limits.frames} frames, {limits.seconds:g} s")
        yield number, duration
        number, total = number + 1, total + duration
        if not moving:
            break


def _pixels(path: Path, image: Image.Image, short_side: int | None, channels: int) -> np.ndarray:
    if image.mode.startswith("I;16") or image.mode == "I":
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(deep >> 8, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise DecodeError(path, "its pixels are floating point, and 8 or 16 bits are read here")
    if _has_alpha(image) and channels != 4:
        image = Image.fromarray(over_black(np.asarray(image.convert("RGBA"))))
    pixels = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    size = target_size(image.width, image.height, short_side)
    if size != image.size:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(pixels.reshape(size[1], size[0], channels))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _checked_files(folder: Path, limits: Limits) -> list[Path]:
    files = frame_files(folder)
    if not files:
        raise DecodeError(folder, "it is a folder without frames (png, jpg, ...)")
    if len(files) > limits.frames:
        raise DecodeError(folder, f"it has {len(files)} frames, above the limit of {limits.frames}")
    return files


def _fps(folder: Path) -> float:
    file = folder / "fps.txt"
    if not file.exists():
        return DEFAULT_FPS
    try:
        fps = float(file.read_text().strip())
    except (OSError, ValueError):
        fps = 0.0
    if not 0 < fps < 10_000:
        raise DecodeError(folder, "its fps.txt must hold one number above 0, such as 24")
    return fps


_EXIF_ROTATION = {3: 180, 6: 270, 8: 90}  # degrees counter-clockwise

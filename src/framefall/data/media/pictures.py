"""Images, animated images and folders of frames, decoded by Pillow."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from framefall.data.media.frame import DecodeError, Frame, Limits, VideoInfo, check_size, target_size
from framefall.data.media.frames import RATE, frames_of
from framefall.data.media.kinds import IMAGES
from framefall.data.media.streams import over_black

DEFAULT_FPS = 24.0
TINY, USUAL = 10.0, 100.0  # milliseconds: what says to be shown for so short is shown so long, as all browsers do


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
    return VideoInfo(
        width=width,
        height=height,
        fps=len(shown) / sum(shown),
        duration=sum(shown),
        frames=len(shown),
        rotation=rotation,
        notes=notes,
    )


def read_folder(path: Path, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    """A folder of frames, or those of a pattern, as one video at the rate in its `fps.txt`; see `frames.py`."""
    fps, frames = _fps(path), _frames(path, limits)
    for number, file in enumerate(frames.files):
        try:
            with _open(file, limits) as image:
                pixels = _pixels(file, ImageOps.exif_transpose(image), short_side, channels)
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(path, f"its frame {file.name} is damaged ({type(error).__name__})") from None
        yield Frame(number / fps, pixels, 1 / fps, number)


def probe_folder(path: Path, limits: Limits) -> VideoInfo:
    """Size and timing of a folder of frames, or of those of a pattern."""
    fps, frames = _fps(path), _frames(path, limits)
    return VideoInfo(
        width=frames.size[0],
        height=frames.size[1],
        fps=fps,
        duration=len(frames.files) / fps,
        frames=len(frames.files),
        rotation=0,
        notes=frames.notes,
        breaks=frames.breaks,
    )


def _open(path: Path, limits: Limits) -> Image.Image:
    image = Image.open(path, formats=list(IMAGES.values()))
    try:
        check_size(path, *image.size, limits)
    except DecodeError:
        image.close()
        raise
    return image


def _pages(path: Path, image: Image.Image, limits: Limits) -> Iterator[tuple[int, float]]:
    """Seeks through the pages of an animation: number and seconds of each. A many-page TIFF is its first page."""
    moving = image.format in ("GIF", "PNG", "WEBP", "AVIF") and getattr(image, "is_animated", False)
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
        shown = float(image.info.get("duration") or 0)
        duration = (shown if shown > TINY else USUAL) / 1000 if moving else 1 / DEFAULT_FPS
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


@dataclass(frozen=True)
class _Frames:
    """The frames of a folder that have its usual size."""

    files: tuple[Path, ...]
    size: tuple[int, int]
    breaks: tuple[int, ...]
    notes: tuple[str, ...]


def _frames(path: Path, limits: Limits) -> _Frames:
    found = frames_of(path)
    if len(found.files) > limits.frames:
        raise DecodeError(path, f"it has {len(found.files)} frames, above the limit of {limits.frames}")
    sizes = [_header_size(file, limits) for file in found.files]
    known = Counter(size for size in sizes if size is not None)
    if not known:
        raise DecodeError(path, f"none of its frames can be read, {found.files[0].name} for one is damaged")
    usual = max(known, key=lambda size: known[size])
    files, breaks, broken, odd = list[Path](), list[int](), False, list[str]()
    for number, (file, size) in enumerate(zip(found.files, sizes, strict=True)):
        broken = broken or number in found.breaks
        if size != usual:
            broken = True
            odd.append(f"{file.name} is {size[0]}x{size[1]}" if size else f"{file.name} is damaged")
            continue
        if broken and files:
            breaks.append(len(files))
        files.append(file)
        broken = False
    notes = list(found.notes)
    if odd:
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        usual_ = f"{usual[0]}x{usual[1]}"
        notes.append(f"{len(odd)} of its frames are left out, as they are not of {usual_}: {', '.join(odd[:3])}{more}")
    return _Frames(tuple(files), usual, tuple(breaks), tuple(notes))


def _header_size(file: Path, limits: Limits) -> tuple[int, int] | None:
    """Width and height of an upright picture; None if it is damaged."""
    try:
        with _open(file, limits) as image:
            says = "exif" in image.info or image.format == "TIFF"  # to look further a PNG would be decoded
            return image.size[::-1] if says and image.getexif().get(0x0112, 1) > 4 else image.size
    except DecodeError:  # its size is above the limit
        raise
    except Exception:
        return None


def _fps(path: Path) -> float:
    folder = path if path.is_dir() else path.parent
    file = folder / RATE
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

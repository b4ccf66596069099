"""Folders of frames as one video: which pictures are its frames, and each of them decoded."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framefall import bounded
from framefall.data.media import isolated
from framefall.data.media.frame import DecodeError, Frame, Limits, VideoInfo, open_source
from framefall.data.media.numbering import RATE, frames_of
from framefall.data.media.pictures import DEFAULT_FPS


def read(path: Path, short_side: int | None, channels: int, limits: Limits) -> Iterator[Frame]:
    """A folder of frames, or those of a pattern, as one video at the rate in its `fps.txt`; see `frames.py`."""
    fps, frames = _fps(path), _frames(path, limits)
    for number, file in enumerate(frames.files):
        try:
            with open_source(file) as source:
                pixels = isolated.picture(source, short_side, channels, limits)
        except DecodeError as error:
            raise DecodeError(path, f"its frame {file.name} cannot be read: {error.reason}") from None
        yield Frame(number / fps, pixels, 1 / fps, number)


def probe(path: Path, limits: Limits) -> VideoInfo:
    """Size and timing of a folder of frames, or of those of a pattern."""
    fps, frames = _fps(path), _frames(path, limits)
    return VideoInfo(
        width=frames.size[0],
        height=frames.size[1],
        fps=fps,
        sustained_fps=fps,
        duration=len(frames.files) / fps,
        frames=len(frames.files),
        rotation=0,
        notes=frames.notes,
        breaks=frames.breaks,
    )


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
    sizes = [_size(file, limits) for file in found.files]
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


def _size(file: Path, limits: Limits) -> tuple[int, int] | None:
    """Width and height of an upright picture; None if it is damaged."""
    try:
        with open_source(file) as source:
            return isolated.size(source, limits)
    except OSError:
        return None


def _fps(path: Path) -> float:
    folder = path if path.is_dir() else path.parent
    file = folder / RATE
    if not file.exists():
        return DEFAULT_FPS
    try:
        fps = float(bounded.read(file).strip())
    except (OSError, ValueError):
        fps = 0.0
    if not 0 < fps < 10_000:
        raise DecodeError(folder, "its fps.txt must hold one number above 0, such as 24")
    return fps

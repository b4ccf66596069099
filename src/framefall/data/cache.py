"""Decoded frames on disk, found again by the content they came from.

An entry is `KEY.npy` (uint8 [frames, height, width, channels]) and `KEY.json`, written last: an entry without it, or
whose array has another size than it says, is decoded again. KEY is the SHA-256 of the file's bytes, the settings and
the version of this format.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framefall import publish
from framefall.data import npy
from framefall.data.decode import DecodeError, Frame, Limits, VideoInfo, decode, probe
from framefall.data.frame import target_size
from framefall.data.pictures import frame_files
from framefall.data.shots import CutFinder
from framefall.data.timeline import rate_for

VERSION = 1
RESERVE = 1 << 28  # bytes that must stay free on the cache's disk


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides how a file is decoded; part of every key."""

    size: int = 256  # the short side that is kept
    fps: float = 24.0
    channels: int = 3
    scene_cuts: bool = True
    max_seconds: float = 1800.0
    max_pixels: int = 40_000_000


@dataclass(frozen=True)
class Entry:
    """One decoded source."""

    file: Path
    offset: int  # bytes before the first frame
    shape: tuple[int, int, int, int]  # frames, height, width, channels
    fps: float
    starts: tuple[int, ...]  # the first frame of each shot
    sources: tuple[int, ...]  # each kept frame's number in the source, for numbers that come one a frame
    source_frames: int
    notes: tuple[str, ...]

    def read(self, frames: Iterator[int] | range | list[int]) -> np.ndarray:
        """Some frames, uint8 [frames, height, width, channels]; read, not mapped: a shrunken file is an error only."""
        frames, size = list(frames), int(np.prod(self.shape[1:]))
        out = np.empty((len(frames), *self.shape[1:]), np.uint8)
        with open(self.file, "rb", buffering=0) as stream:
            for place, frame in enumerate(frames):
                if not 0 <= frame < self.shape[0]:
                    raise ValueError(f"frame must be 0 to {self.shape[0] - 1}, got {frame}")
                stream.seek(self.offset + frame * size)
                if stream.readinto(out[place].reshape(-1).data) != size:
                    raise ValueError(f"{self.file} has shrunk: remove it, and it will be decoded again")
        return out


def root(chosen: str | Path | None = None) -> Path:
    """The cache's folder: the chosen one, `$FRAMEFALL_CACHE`, or `~/.cache/framefall`."""
    return Path(chosen or os.environ.get("FRAMEFALL_CACHE") or Path.home() / ".cache" / "framefall")


def content_hash(source: Path) -> str:
    """SHA-256 of a file's bytes; of a folder of frames, of its frames' names and bytes in order and of `fps.txt`."""
    if not source.is_dir():
        return publish.sha256(source)
    digest = hashlib.sha256()
    for file in [*frame_files(source), source / "fps.txt"]:
        if file.exists():
            digest.update(os.fsencode(file.name) + b"\0" + publish.sha256(file).encode())
    return digest.hexdigest()


def entry(folder: Path, source: Path, content: str, settings: Settings) -> Entry:
    """The decoded source, from the cache if it is there; raises `DecodeError`."""
    name = hashlib.sha256(json.dumps([content, asdict(settings), VERSION]).encode()).hexdigest()
    return _load(folder / name) or _make(folder / name, source, settings)


def _load(path: Path) -> Entry | None:
    array, record = path.with_suffix(".npy"), path.with_suffix(".json")
    try:
        values = json.loads(record.read_bytes())
        shape, offset = npy.frame_offset(array)
        whole = array.stat().st_size == offset + int(np.prod(shape)) and list(shape) == values["shape"]
        return _entry(array, offset, values) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(path: Path, source: Path, settings: Settings) -> Entry:
    limits = Limits(seconds=settings.max_seconds, pixels=settings.max_pixels)
    info = probe(source, limits)
    rate, one_to_one = rate_for(info.fps, settings.fps)
    if info.frames == 1:
        rate, one_to_one = settings.fps, True
    _check_room(path.parent, source, info, rate, settings)
    frames = decode(
        source, fps=None if one_to_one else rate, short_side=settings.size, channels=settings.channels, limits=limits
    )
    sources: list[int] = []
    breaks: set[int] = set()
    finder = CutFinder(rate)
    with publish.file(path.with_suffix(".npy")) as partial:
        with npy.frame_file(partial) as array:
            for frame, broken in _once(frames, info.fps if one_to_one else None):
                if broken:
                    breaks.add(array.frames)
                array.append(frame.pixels)
                sources.append(frame.source)
                if settings.scene_cuts:
                    finder.look(frame.pixels)
        shape = array.shape
    if settings.scene_cuts:
        breaks.update(finder.cuts())
    values = {
        "shape": list(shape),
        "fps": rate,
        "starts": sorted({0, *breaks}),
        "sources": sources,
        "source_frames": max(info.frames, sources[-1] + 1),
        "notes": _notes(info, rate, one_to_one, sources),
    }
    with publish.file(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(values))
    return _entry(path.with_suffix(".npy"), npy.frame_offset(path.with_suffix(".npy"))[1], values)


def _once(frames: Iterator[Frame], source_fps: float | None) -> Iterator[tuple[Frame, bool]]:
    """Each source frame once, and whether time jumps before it: there one shot ends, as nothing was filmed between."""
    last, jumped = None, False
    for frame in frames:
        if last is not None and frame.source == last.source:
            jumped = True
            continue
        if source_fps and last is not None and frame.time - last.time > 1.9 / source_fps:
            jumped = True
        yield frame, jumped
        last, jumped = frame, False


def _notes(info: VideoInfo, rate: float, one_to_one: bool, sources: list[int]) -> list[str]:
    notes = list(info.notes)
    if one_to_one and info.frames > 1 and abs(info.fps / rate - 1) > 2e-3:
        notes.append(f"its {info.fps:.3f} frames a second are shown at {rate:g}")
    if sources[-1] + 1 < info.frames and one_to_one:
        notes.append(f"its last {info.frames - sources[-1] - 1} frames cannot be read")
    return notes


def _check_room(folder: Path, source: Path, info: VideoInfo, rate: float, settings: Settings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    width, height = target_size(info.width, info.height, settings.size)
    needed = max(1, round(info.duration * rate)) * width * height * settings.channels
    free = shutil.disk_usage(folder).free
    if needed + RESERVE > free:
        raise DecodeError(
            source, f"its frames need {needed / 1e9:.1f} GB, and the cache's disk has {free / 1e9:.1f} GB free"
        )


def _entry(array: Path, offset: int, values: dict[str, Any]) -> Entry:
    frames, height, width, channels = map(int, values["shape"])
    return Entry(
        file=array,
        offset=offset,
        shape=(frames, height, width, channels),
        fps=float(values["fps"]),
        starts=tuple(map(int, values["starts"])),
        sources=tuple(map(int, values["sources"])),
        source_frames=int(values["source_frames"]),
        notes=tuple(map(str, values["notes"])),
    )

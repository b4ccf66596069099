"""Where decoded frames come from, and how they are decoded: as often as need be, always to the same frames."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framefall import publish
from framefall.data.cached import npy
from framefall.data.media.decode import Frame, Limits, VideoInfo, decode, probe
from framefall.data.media.frame import target_size
from framefall.data.media.pictures import frame_files
from framefall.data.media.timeline import rate_for
from framefall.data.shots import CutFinder


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
class Origin:
    """Where frames come from, so that they can be decoded again."""

    path: Path
    content: str  # SHA-256 of what was decoded
    settings: Settings


def content_hash(source: Path) -> str:
    """SHA-256 of a file's bytes; of a folder of frames, of its frames' names and bytes in order and of `fps.txt`."""
    if not source.is_dir():
        return publish.sha256(source)
    digest = hashlib.sha256()
    for file in [*frame_files(source), source / "fps.txt"]:
        if file.exists():
            digest.update(os.fsencode(file.name) + b"\0" + publish.sha256(file).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Plan:
    """How a source is decoded."""

    origin: Origin
    info: VideoInfo
    rate: float
    one_to_one: bool
    limits: Limits

    @staticmethod
    def of(origin: Origin) -> "Plan":
        """The plan for a source, from its header; raises `DecodeError`."""
        settings = origin.settings
        limits = Limits(seconds=settings.max_seconds, pixels=settings.max_pixels)
        info = probe(origin.path, limits)
        rate, one_to_one = rate_for(info.fps, settings.fps)
        if info.frames == 1:
            rate, one_to_one = settings.fps, True
        return Plan(origin, info, rate, one_to_one, limits)

    def frames(self) -> Iterator[tuple[Frame, bool]]:
        """Each frame that is kept, and whether time jumps before it."""
        settings = self.origin.settings
        frames = decode(
            self.origin.path,
            fps=None if self.one_to_one else self.rate,
            short_side=settings.size,
            channels=settings.channels,
            limits=self.limits,
        )
        return _once(frames, self.info.fps if self.one_to_one else None)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames, about."""
        settings = self.origin.settings
        width, height = target_size(self.info.width, self.info.height, settings.size)
        return max(1, round(self.info.duration * self.rate)) * width * height * settings.channels


def walk(plan: Plan, array: npy.FrameFile | None) -> dict[str, Any]:
    """Decodes all frames into an array, or only looks at them; gives what the entry's record says."""
    sources: list[int] = []
    checksums: list[int] = []
    breaks: set[int] = set()
    shape: tuple[int, ...] = ()
    finder = CutFinder(plan.rate)
    for frame, broken in plan.frames():
        if broken:
            breaks.add(len(sources))
        if array is not None:
            array.append(frame.pixels)
        shape = frame.pixels.shape
        sources.append(frame.source)
        checksums.append(zlib.crc32(np.ascontiguousarray(frame.pixels).data))
        if plan.origin.settings.scene_cuts:
            finder.look(frame.pixels)
    if plan.origin.settings.scene_cuts:
        breaks.update(finder.cuts())
    return {
        "shape": [len(sources), *shape],
        "fps": plan.rate,
        "starts": sorted({0, *breaks}),
        "sources": sources,
        "source_frames": max(plan.info.frames, sources[-1] + 1),
        "notes": _notes(plan.info, plan.rate, plan.one_to_one, sources),
        "checksums": checksums,
    }


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

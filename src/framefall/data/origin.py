"""Where decoded frames come from, and how they are decoded: as often as need be, always to the same frames."""

import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from framefall import publish
from framefall.data.cached import npy
from framefall.data.media.decode import Frame, Limits, VideoInfo, decode, probe, sniff
from framefall.data.media.frame import target_size
from framefall.data.media.frames import RATE, frames_of, is_pattern
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
    """SHA-256 of a file's bytes; of frames in a folder, of their names and bytes in order and of `fps.txt`.

    Raises `DecodeError` for a file that nobody would decode: it is not read to its end, which it may not have.
    """
    if not source.is_dir() and not is_pattern(source):
        sniff(source)
        return publish.sha256(source)
    digest = hashlib.sha256()
    files = frames_of(source).files
    for file in [*files, files[0].parent / RATE]:
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
        limits = Limits(seconds=math.inf, pixels=settings.max_pixels)  # what is longer is cut, not refused
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
        within = takewhile(lambda frame: frame.time < settings.max_seconds, frames)
        return _once(within, self.info.fps if self.one_to_one else None)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames, about."""
        settings = self.origin.settings
        width, height = target_size(self.info.width, self.info.height, settings.size)
        seconds = min(self.info.duration, settings.max_seconds)
        return max(1, round(seconds * self.rate)) * width * height * settings.channels


def walk(plan: Plan, array: npy.FrameFile | None) -> dict[str, Any]:
    """Decodes all frames into an array, or only looks at them; gives what the entry's record says."""
    sources: list[int] = []
    checksums: list[int] = []
    breaks: set[int] = set()
    shape: tuple[int, ...] = ()
    finder = CutFinder(plan.rate)
    for frame, broken in plan.frames():
        if broken or (sources and any(sources[-1] < missing <= frame.source for missing in plan.info.breaks)):
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
        "notes": _notes(plan, sources),
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


def _notes(plan: Plan, sources: list[int]) -> list[str]:
    info, longest, notes = plan.info, plan.origin.settings.max_seconds, list(plan.info.notes)
    if plan.one_to_one and info.frames > 1 and abs(info.fps / plan.rate - 1) > 2e-3:
        notes.append(f"its {info.fps:.3f} frames a second are shown at {plan.rate:g}")
    if info.duration > longest + 1 / info.fps:
        notes.append(
            f"only the first {longest:g} of its {info.duration:.0f} seconds are used (--set data.max_seconds=...)"
        )
    elif sources[-1] + 1 < info.frames and plan.one_to_one:
        notes.append(f"its last {info.frames - sources[-1] - 1} frames cannot be read")
    return notes

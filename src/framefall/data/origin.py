"""Where decoded frames come from, and how they are decoded: as often as need be, always to the same frames."""

import contextlib
import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framefall import publish
from framefall.data.cached import npy
from framefall.data.media.decode import Frame, Limits, VideoInfo, decode, probe, sniff
from framefall.data.media.frame import target_size
from framefall.data.media.numbering import RATE, frames_of, is_pattern
from framefall.data.media.timeline import divisor, rate_for
from framefall.data.remote.place import Place
from framefall.data.shots import CutFinder


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides how a file is decoded; part of every key."""

    size: int = 256  # the short side that is kept
    fps: float = 24.0
    resample: Literal["auto", "nearest", "blend"] = "auto"
    channels: int = 3
    scene_cuts: bool = True
    max_seconds: float = 1800.0
    max_pixels: int = 40_000_000


@dataclass(frozen=True)
class Origin:
    """Where frames come from, so that they can be decoded again."""

    path: Path | Place
    content: str  # SHA-256 of what was decoded
    settings: Settings

    @contextlib.contextmanager
    def here(self, scratch: Path) -> Iterator[Path]:
        """A file or folder of this machine that holds it, while the block runs; a copy below `scratch` if need be."""
        if isinstance(self.path, Path):
            yield self.path
            return
        with self.path.here(scratch) as path:
            yield path


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

    path: Path  # of this machine
    settings: Settings
    info: VideoInfo
    rate: float
    every: int | None  # every which of its frames is kept, by their number; None: by time, at the rate
    limits: Limits

    @staticmethod
    def of(path: Path, settings: Settings) -> "Plan":
        """The plan for a source, from its header; raises `DecodeError`."""
        limits = Limits(seconds=math.inf, pixels=settings.max_pixels)  # what is longer is cut, not refused
        info = probe(path, limits)
        if info.frames == 1:
            return Plan(path, settings, info, settings.fps, 1, limits)
        if settings.resample == "auto":
            even = info.steady or math.isclose(info.sustained_fps, info.fps)  # but for where time jumps
            own = info.fps if even else info.sustained_fps
            every = divisor(own, settings.fps)
            return Plan(path, settings, info, own / every, every if even else None, limits)
        rate, one_to_one = rate_for(info.fps, settings.fps)
        return Plan(path, settings, info, rate, 1 if one_to_one else None, limits)

    def frames(self) -> Iterator[tuple[Frame, bool]]:
        """Each frame that is kept, and whether time jumps before it."""
        settings = self.settings
        frames = decode(
            self.path,
            fps=self.rate if self.every is None else None,
            short_side=settings.size,
            channels=settings.channels,
            limits=self.limits,
            blend=settings.resample == "blend",
        )
        within = takewhile(lambda frame: frame.time < settings.max_seconds, frames)
        if self.every is None:
            return _once(within, math.inf)
        return _once(islice(within, 0, None, self.every), (self.every + 0.9) / self.info.fps)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames, about."""
        settings = self.settings
        width, height = target_size(self.info.width, self.info.height, settings.size)
        seconds = min(self.info.duration, settings.max_seconds)
        most = -(-self.info.frames // (self.every or 1))
        count = round(min(seconds * self.rate, most)) if self.every is None else most
        return (
            max(1, min(count, math.ceil(min(settings.max_seconds * self.rate, most))))
            * width
            * height
            * settings.channels
        )


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
        if plan.settings.scene_cuts:
            finder.look(frame.pixels)
    if plan.settings.scene_cuts:
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


def _once(frames: Iterator[Frame], longest: float) -> Iterator[tuple[Frame, bool]]:
    """Each source frame once, and whether time jumps before it: there one shot ends, as nothing was filmed between.

    A gap of more than the `longest` in seconds is a jump.
    """
    last, jumped = None, False
    for frame in frames:
        if last is not None and frame.source == last.source:
            jumped = True
            continue
        if last is not None and frame.time - last.time > longest:
            jumped = True
        yield frame, jumped
        last, jumped = frame, False


def _notes(plan: Plan, sources: list[int]) -> list[str]:
    info, every, longest = plan.info, plan.every, plan.settings.max_seconds
    notes = list(info.notes)
    if every is not None and info.frames > 1 and abs(info.fps / every / plan.rate - 1) > 2e-3:
        notes.append(f"its {info.fps:.3f} frames a second are shown at {plan.rate:g}")
    if every is None and not info.steady:
        notes.append(f"its frames do not come evenly: it is taken as it is seen at {plan.rate:.4g} frames a second")
    if info.duration > longest + 1 / info.fps:
        notes.append(
            f"only the first {longest:g} of its {info.duration:.0f} seconds are used (--set data.max_seconds=...)"
        )
    elif every is not None and sources[-1] + every < info.frames:
        notes.append(f"its last {info.frames - sources[-1] - 1} frames cannot be read")
    return notes

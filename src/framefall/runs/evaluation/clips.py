"""Clips on disk as videos to measure; sets of them on common ground: one size, one rate, one length in time.

Clips that differ are never compared frame by number: the one that is faster, larger or longer is brought down to the
other, by time, and that is said.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from framefall.data.media import decode as decoder
from framefall.data.media.decode import DecodeError, Limits
from framefall.data.scan import Found, look
from framefall.metric import AnyVideo
from framefall.video import from_pixels, resize

NamedClip = tuple[str, Tensor, float]  # name, [1, channels, frames, height, width], frames a second
Skip = Callable[[str, str], None]  # told a file's name and why it could not be read

UNKNOWN_RATE = 24.0
WHOLE = 0.01  # a rate is so near to a whole multiple of another, or has no moments in common with it
FEWEST_FRAMES = 3  # fewer have no change of motion, and flicker is not measurable


@dataclass(frozen=True)
class ClipGrid:
    """How many frames, how large and how fast."""

    frames: int
    height: int
    width: int
    fps: float

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.width}x{self.height} at {self.fps:g} a second"

    def same(self, other: "ClipGrid") -> bool:
        """Whether frame by frame they can be compared as they are."""
        sizes = (self.frames, self.height, self.width) == (other.frames, other.height, other.width)
        return sizes and math.isclose(self.fps, other.fps, rel_tol=1e-6)


@dataclass(frozen=True)
class ClipSet:
    """The readable clips of a folder, or one file, and what their headers say."""

    root: Path
    files: Mapping[str, Path]  # by name
    grids: Mapping[str, ClipGrid]  # of what is measured of them: of clips of variable rate, their real times
    variable: tuple[str, ...] = ()  # the clips whose frames do not come evenly

    def only(self, name: str) -> "ClipSet":
        """The set of one of its clips; empty where it has none of that name."""
        kept = [name] if name in self.files else []
        return replace(self, files={one: self.files[one] for one in kept}, grids={one: self.grids[one] for one in kept})

    def __str__(self) -> str:
        grids = list(self.grids.values())
        frames, fps = _span([float(one.frames) for one in grids]), _span([one.fps for one in grids])
        small, large = (pick(grids, key=lambda one: one.height * one.width) for pick in (min, max))
        sizes = dict.fromkeys(f"{one.width}x{one.height}" for one in (small, large))
        return f"{self.root.name or self.root} ({frames} frames of {' to '.join(sizes)} at {fps} a second)"


def clip_set(path: str | Path, skip: Skip) -> ClipSet:
    """Looks at the headers of a folder's clips, or of one file; what cannot be read is skipped with its reason."""
    root = Path(path)
    if not root.exists():
        raise ValueError(f"clips must be a file or folder that exists, got {str(path)!r}")
    files: dict[str, Path] = {}
    grids: dict[str, ClipGrid] = {}
    variable, reasons = [], []
    found = Found((root,)) if root.is_file() else look(root)
    for name, reason in found.left_out.items():
        skip(name, reason)
    for source in found.sources:
        if source.name in files:
            raise ValueError(f"each clip must have a name of its own, got {source.name!r} twice; rename one of them")
        try:
            info = decoder.probe(source)
            if info.duration > (longest := Limits().seconds):
                raise DecodeError(source, f"it lasts {info.duration:g} s, longer than the limit of {longest:g} s")
        except DecodeError as error:
            reasons.append(f"{source.name}: {error.reason}")
            skip(source.name, error.reason)
            continue
        files[source.name] = source
        fps, frames = info.fps or UNKNOWN_RATE, info.frames
        if not info.steady:
            variable.append(source.name)
            fps, frames = info.sustained_fps, max(1, round(info.duration * info.sustained_fps))
        grids[source.name] = ClipGrid(frames, info.height, info.width, fps)
    if not files:
        why = "; ".join(reasons[:3]) or "it has no video"
        raise ValueError(f"{path} must hold at least one readable video, got none ({why})")
    return ClipSet(root, files, grids, tuple(variable))


def common_ground(clips: ClipSet, *others: ClipSet) -> ClipGrid | None:
    """The smallest size, the lowest rate and the shortest length of all; None where nothing needs to be changed.

    Nothing needs to be where all clips are alike, or where each clip is like the one of its name in the other sets and
    these have no others. The rate is the lowest or half of it, where that is a whole fraction of every rate.
    """
    grids = [grid for one in (clips, *others) for grid in one.grids.values()]
    paired = all(
        name in other.grids and grid.same(other.grids[name]) for name, grid in clips.grids.items() for other in others
    ) and all(any(one.same(grid) for grid in clips.grids.values()) for other in others for one in other.grids.values())
    if not others or paired or all(grid.same(grids[0]) for grid in grids):
        return None
    lowest = min(grid.fps for grid in grids)
    fps = next((rate for rate in (lowest, lowest / 2) if all(_whole(grid.fps / rate) for grid in grids)), lowest)
    lengths = {
        one.files[name]: round(grid.frames / grid.fps * fps)
        for one in (clips, *others)
        for name, grid in one.grids.items()
    }
    shortest = min(lengths, key=lambda path: lengths[path])
    if lengths[shortest] < FEWEST_FRAMES:
        raise ValueError(
            f"clips that are compared must have at least {FEWEST_FRAMES} frames at the common rate of {fps:g} a second,"
            f" got {lengths[shortest]} in {shortest}; take that file out, or run: framefall evaluate {clips.root}"
        )
    return ClipGrid(lengths[shortest], min(grid.height for grid in grids), min(grid.width for grid in grids), fps)


def without_common_moments(ground: ClipGrid | None, *sets: ClipSet) -> list[float]:
    """The rates that the ground's is no whole fraction of: brought to it, such clips move unevenly, between moments."""
    rates = {grid.fps for one in sets for grid in one.grids.values()}
    return [] if ground is None else sorted(rate for rate in rates if not _whole(rate / ground.fps))


def _whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) <= WHOLE * ratio


def shown(path: str | Path) -> tuple[Iterator[np.ndarray], float]:
    """A clip's frames, uint8 `[height, width, 3]`, and the even rate that they come at.

    Of a clip of variable rate frame i is what it shows at i / fps seconds, fps what nine in ten of its frames keep.
    Raises `DecodeError`.
    """
    info = decoder.probe(path)
    fps = (info.fps or UNKNOWN_RATE) if info.steady else info.sustained_fps
    return (frame.pixels for frame in decoder.decode(path, fps=None if info.steady else fps)), fps


def read(path: Path, ground: ClipGrid | None = None) -> tuple[Tensor, float]:
    """One clip `[1, 3, frames, height, width]` and its rate: as it is, or on the ground, its middle cut out.

    On the ground frame i is what the clip shows at i / fps seconds. Raises `DecodeError`.
    """
    if ground is None:
        pictures, fps = shown(path)
        return torch.stack([from_pixels(frame) for frame in pictures]).permute(3, 0, 1, 2)[None], fps
    frames = []
    for frame in decoder.decode(path, fps=ground.fps):
        frames.append(_cut(from_pixels(frame.pixels).permute(2, 0, 1), ground))
        if len(frames) == ground.frames:
            break
    if len(frames) < ground.frames:
        raise DecodeError(path, f"it ends after {len(frames)} frames, and its header says {ground.frames} or more")
    return torch.stack(frames, dim=1)[None], ground.fps


def read_all(clips: ClipSet, ground: ClipGrid | None, skip: Skip) -> Iterator[NamedClip]:
    """The clips of a set, one at a time."""
    for name, path in clips.files.items():
        try:
            video, fps = read(path, ground)
        except DecodeError as error:
            skip(name, error.reason)
            continue
        yield name, video, fps


class OnDisk(Mapping[str, AnyVideo]):
    """The videos of a set by name, each decoded when it is asked for, so that none stays in memory."""

    def __init__(self, clips: ClipSet, ground: ClipGrid | None) -> None:
        self._clips, self._ground = clips, ground

    def __getitem__(self, name: str) -> AnyVideo:
        try:
            return read(self._clips.files[name], self._ground)[0]
        except DecodeError as error:  # who reads the set says so; here it is as if there were none
            raise KeyError(name) from error

    def __contains__(self, name: object) -> bool:
        return name in self._clips.files

    def __iter__(self) -> Iterator[str]:
        return iter(self._clips.files)

    def __len__(self) -> int:
        return len(self._clips.files)


def _cut(frame: Tensor, ground: ClipGrid) -> Tensor:
    """`[channels, height, width]` shrunk until it just covers the ground, and its middle."""
    height, width = frame.shape[-2:]
    scale = max(ground.height / height, ground.width / width)
    size = max(ground.height, round(height * scale)), max(ground.width, round(width * scale))
    small = resize(frame[None, :, None], *size, "area")[0, :, 0]
    top, left = (size[0] - ground.height) // 2, (size[1] - ground.width) // 2
    return small[:, top : top + ground.height, left : left + ground.width]


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"

"""A folder of fields as a folder of shots: order, split, window and exact resume are those of any folder.

A shot's frames are what a network sees: float32 by the field's scale, NaN where a value is missing.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from framefall.data.fields.field import Field, Scales
from framefall.data.fields.formats import FORMATS, NAMES, format_of, recordings
from framefall.data.fields.recording import FieldError, Places, Recording, interpolated, takes, usual_step
from framefall.data.folder import Folder, FolderConfig, IngestReport, Shot, Skipped, held_out
from framefall.data.media.kinds import SUFFIXES

BLOCK = 64  # frames that are read at a time while scales are found


@dataclass(frozen=True)
class FieldFolder(Folder):
    """Shots of fields, and what these are."""

    about: Field | None = None  # always there
    takes: Mapping[str, tuple[Recording, Places]] = field(default_factory=dict)  # by shot
    contents: str = ""  # a hash of all numbers and times

    @property
    def described(self) -> Field:
        """The field that all shots are of, with its scale."""
        assert self.about is not None
        return self.about

    def read(self, shot: Shot, frames: Sequence[int]) -> np.ndarray:
        """Frames of a shot by number: float32 [channels, frames, height, width], NaN where they are missing."""
        recording, places = self.takes[shot.key]
        return self.described.scaled(recording.at(places[list(frames)]))

    @property
    def fingerprint(self) -> str:
        """A hash of what the shots are, and of the scale on which they are seen."""
        said = repr((self.contents, self.described, [(shot.key, shot.frames) for shot in self.shots]))
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def seen_as(self, other: Field) -> "FieldFolder":
        """The same on the scale of another field of the same channels, such as that of a model that is trained on."""
        other.check_alike(self.described, "the source", "the model")
        return replace(self, about=self.described.with_scale(other))


def is_fields(source: str | Path) -> bool:
    """Whether a source is a file of a field, or a folder with such files and no videos."""
    path = Path(source)
    if not path.exists():
        return False
    if format_of(path) is not None:
        return True
    if not path.is_dir():
        return False
    found = list(_files(path))
    inside = {one for one in found if one.is_dir()}
    others = (one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one not in found)
    return bool(found) and not any(inside.isdisjoint(one.parents) for one in others)


def open_fields(source: str | Path, config: FolderConfig) -> "FieldFolder":
    """All recordings of a source, with the scale of their channels; frames are read as they are needed.

    The first usable file says which channels there are and how far its frames lie apart; others must be alike. Times
    that are uneven are brought to even ones by linear interpolation. Raises `ValueError` where no file can be used.
    """
    path = Path(source)
    skipped, notes = list[Skipped](), list[str]()
    found: list[tuple[str, Recording]] = []
    for file in [path] if format_of(path) else sorted(_files(path)):
        name = file.name if file == path else file.relative_to(path).as_posix()
        try:
            for one in recordings(file):
                alike = one if not found else one.of(found[0][1].field, name, found[0][0])
                notes += [f"{name}: {note}" for note in one.notes]
                found.append((f"{name}#{one.member}" if one.member else name, alike))
        except ValueError as error:
            skipped.append(Skipped(name, error.reason if isinstance(error, FieldError) else str(error)))
    if not found:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in skipped[:3]) or f"none ends in one of {NAMES}"
        raise ValueError(f"{source} must hold at least one field that can be used, got none ({reasons})")
    return _collected(found, config, skipped, notes)


def _collected(
    found: Sequence[tuple[str, Recording]], config: FolderConfig, skipped: list[Skipped], notes: list[str]
) -> FieldFolder:
    first = found[0][1].field
    scales, digest = Scales(len(first.channels)), hashlib.blake2b(digest_size=16)
    shots, own, used, missing = list[Shot](), dict[str, tuple[Recording, Places]](), list[str](), 0
    for name, recording in found:
        step = usual_step(recording.times)
        if step > first.clock.step * (1 + 1e-3):
            why = f"its frames lie {step:g} {first.clock.units} apart, and those of {found[0][0]} {first.clock.step:g}"
            skipped.append(Skipped(name, f"{why}: none are made up between; train on each alone"))
            continue
        places = takes(recording.times, first.clock.step)
        if interpolated(places):
            notes.append(f"{name}: its times are uneven, and frames are interpolated to every {first.clock.step:g}")
        if len(places) > 1:
            notes.append(f"{name}: gaps in its times part it into {len(places)} takes")
        digest.update(repr((name, recording.times.tolist(), recording.size)).encode())
        for block in _blocks(recording):
            scales.add(block)
            digest.update(np.ascontiguousarray(block).data)
            missing += int(np.isnan(block).sum())
        used.append(name)
        for one in places:
            height, width = recording.size
            shot = Shot(f"{name}#{int(one[0])}", name, int(one[0]), len(one), height, width, config.fps)
            shots.append(shot)
            own[shot.key] = recording, one
    described = scales.of(replace(first, rate=config.fps))
    if missing:
        notes.append(f"{missing:,} values are missing: they count nothing in training, and networks see the mean there")
    report = IngestReport(tuple(used), tuple(skipped), tuple(dict.fromkeys(notes)))
    validation = held_out(used, config.holdout)
    return FieldFolder(tuple(shots), report, {}, validation, None, described, own, digest.hexdigest())


def _blocks(recording: Recording) -> Iterator[np.ndarray]:
    for begin in range(0, len(recording.times), BLOCK):
        yield recording.frames(slice(begin, min(begin + BLOCK, len(recording.times))))


def _files(folder: Path) -> Iterator[Path]:
    """The files of fields below a folder; Zarr's, which are folders, are not looked into."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        form = format_of(path)
        if form is not None and (form.folder is not None) == path.is_dir():
            yield path
        elif path.is_dir():
            yield from _files(path)


def summary(name: str, folder: FieldFolder, most: int | None) -> str:
    """What a source was taken as, in a few lines."""
    own, report = folder.described, folder.report
    sizes = {f"{shot.width}x{shot.height}": None for shot in folder.shots}
    frames = sum(shot.frames for shot in folder.shots)
    lines = [
        f"{name}: {len(report.ingested)} recordings of {', '.join(own.quantities)}, {own.dtype},"
        f" {frames} frames of {', '.join(sizes)}, every {own.clock.step:g} {own.clock.units}".rstrip()
    ]
    lines += [
        f"  {one.name}: {one.centre:.4g} is seen as 0, and {one.centre + one.spread:.4g} as 1" for one in own.channels
    ]
    said = [f"  left out {one.path}: {one.reason}" for one in report.skipped]
    said += [f"  {note}" for note in report.notes]
    more = [] if most is None or len(said) <= most else [f"  and {len(said) - most} more"]
    return "\n".join([*lines, *said[:most], *more])


__all__ = ["FORMATS", "FieldFolder", "is_fields", "open_fields", "summary"]

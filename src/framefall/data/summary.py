"""What a folder was taken as, for people and for programs: a pure function of its shots and of its report."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framefall.data.folder import Folder, Shot
from framefall.data.media.kinds import SUFFIXES

WORDS = 8  # of a caption that are shown
MOST = 20  # lines about single files that a summary has


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one source was taken as."""

    path: str
    kind: str  # video, frames, picture
    shots: int
    frames: int  # of all shots
    fps: float
    width: int
    height: int
    caption: str | None
    where: str  # the caption is: 0001.txt, captions.csv line 3, its name
    numbers: list[float] | None  # to condition on: of the first frame

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}"
        if self.kind == "picture":
            what = f"a picture of {size}"
        else:
            cut = f", {self.shots} shots" if self.shots > 1 else ""
            seconds = self.frames / self.fps
            what = f"{self.kind}: {self.frames} of {size} at {self.fps:g} a second, {seconds:.1f} s{cut}"
        words = f'"{_first(self.caption)}" ({self.where})' if self.caption else "no caption"
        numbers = "" if self.numbers is None else f"; numbers {', '.join(f'{one:g}' for one in self.numbers)}"
        return f"{self.path}: {what}; {words}{numbers}"


def taken(folder: Folder) -> list[Taken]:
    """Every source that is used, in order."""
    shots: dict[str, list[Shot]] = defaultdict(list)
    for shot in folder.shots:
        shots[shot.source].append(shot)
    return [_taken(path, several) for path, several in shots.items()]


def summary(name: str, folder: Folder, most: int | None = MOST) -> str:
    """Five lines on the whole, then what is left out and what there is to say: of each kind `most` lines, or all."""
    report, files = folder.report, taken(folder)
    frames, seconds = sum(one.frames for one in files), sum(one.frames / one.fps for one in files)
    skipped = [f"  skipped {one.path}: {one.reason}" for one in report.skipped]
    notes = [f"  note: {note}" for note in report.notes]
    lines = [
        f"{name}: {len(files)} files are used, {len(skipped)} are skipped;"
        f" {len(folder.shots)} shots of {frames:,} frames, {seconds:,.0f} s",
        f"  taken as {_counts((one.kind for one in files), most=3)};"
        f" sizes {_counts(f'{one.width}x{one.height}' for one in files)};"
        f" frames a second {_counts(f'{one.fps:g}' for one in files if one.kind != 'picture') or 'none'}",
        f"  captions: {_captions(files)}",
        f"  numbers: {_numbers(files)}",
        f"  left out: {_left_out(len(skipped), len(notes))}",
    ]
    return "\n".join([*lines, *_some(skipped, name, most), *_some(notes, name, most)])


def listing(folder: Folder) -> str:
    """A line for every source."""
    return "\n".join(map(str, taken(folder)))


def as_object(folder: Folder) -> dict[str, Any]:
    """The same for programs."""
    report = folder.report
    return {
        "files": [asdict(one) for one in taken(folder)],
        "skipped": [asdict(one) for one in report.skipped],
        "notes": list(report.notes),
    }


def _taken(path: str, shots: list[Shot]) -> Taken:
    first, is_file = shots[0], Path(path).suffix.lower() in SUFFIXES and "%" not in path
    frames = sum(shot.frames for shot in shots)
    numbers = (
        None if first.numbers is None else [float(one) for one in first.numbers.reshape(-1, first.numbers.shape[-1])[0]]
    )
    return Taken(
        path=path,
        kind="frames" if not is_file else "video" if frames > 1 else "picture",
        shots=len(shots),
        frames=frames,
        fps=first.fps,
        width=first.width,
        height=first.height,
        caption=first.caption,
        where=first.where,
        numbers=numbers,
    )


def _captions(files: list[Taken]) -> str:
    said = [one for one in files if one.caption]
    if not said:
        return "none of the files has one"
    places = _counts(_place(one.where) for one in said)
    return f'{len(said)} of {len(files)} files have one, from {places}; "{_first(said[0].caption)}" for one'


def _place(where: str) -> str:
    """`0001.txt` is one of many, a table is itself."""
    return (
        where
        if where == "its name"
        else where.split(" ")[0]
        if " line " in where or " row " in where
        else Path(where).suffix
    )


def _numbers(files: list[Taken]) -> str:
    widths = Counter(len(one.numbers) for one in files if one.numbers is not None)
    return ", ".join(f"{width} to condition on for {count} files" for width, count in widths.items()) or "none"


def _left_out(skipped: int, notes: int) -> str:
    what = f"{skipped} of what was found" if skipped else "nothing"
    return f"{what}; {notes} {'remark' if notes == 1 else 'remarks'}" if notes else what


def _counts(values: Iterable[str], most: int = 4) -> str:
    """`64x48 (10), 128x96 (2)`."""
    found = Counter(values).most_common()
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(f"{value} ({count})" for value, count in found[:most]) + more


def _some(lines: list[str], name: str, most: int | None) -> list[str]:
    if most is None or len(lines) <= most:
        return lines
    return [*lines[:most], f"  and {len(lines) - most} more, which framefall prepare {name} lists"]


def _first(caption: str | None) -> str:
    words = (caption or "").split()
    return " ".join(words[:WORDS]) + (" ..." if len(words) > WORDS else "")

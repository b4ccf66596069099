"""What is found about a video: its caption and its numbers, from the files beside it or from its name.

In order of priority: `name.json` ({"caption": text, "numbers": [...] or one list a frame}), `name.txt` (the
caption), a row of `captions.csv` or `metadata.csv` in the source folder, the words of the file name.
"""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from framefall.data.media.frame import readable
from framefall.data.scan import SUFFIXES

TABLES = ("captions.csv", "metadata.csv")
CAMERAS = frozenset({"img", "dsc", "dscn", "mov", "mvi", "vid", "pxl", "gopr"})  # what cameras call every file


@dataclass(frozen=True, eq=False)
class Annotation:
    """A caption, numbers (float32 [numbers] or [frames, numbers]), and what was wrong with their files."""

    caption: str | None = None
    numbers: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptionTable:
    """The rows of the source folder's CSV by file name, and what was wrong with it."""

    rows: Mapping[str, Annotation] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def annotate(source: Path, root: Path, table: CaptionTable) -> Annotation:
    """Everything found about one source; a malformed file is noted, and the next one is asked."""
    relative = readable(source.relative_to(root)) if source != root else readable(source.name)
    found = [
        _from_json(source.with_suffix(".json") if not source.is_dir() else source.with_name(source.name + ".json")),
        _from_txt(source.with_suffix(".txt") if not source.is_dir() else source.with_name(source.name + ".txt")),
        table.rows.get(relative) or table.rows.get(readable(source.name)) or Annotation(),
        Annotation(caption=from_name(readable(source.name))),
    ]
    return Annotation(
        caption=next((w.caption for w in found if w.caption), None),
        numbers=next((w.numbers for w in found if w.numbers is not None), None),
        notes=tuple(note for w in found for note in w.notes),
    )


def read_table(root: Path) -> CaptionTable:
    """The CSV in the source folder: columns `file` or `path`, `caption` or `text`, and every other numeric column."""
    for name in TABLES:
        file = root / name
        if not file.is_file():
            continue
        try:
            with open(file, newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            return CaptionTable(notes=(f"{name} is left out: {_sentence(error)}",))
        return _table(name, rows)
    return CaptionTable()


def from_name(name: str) -> str | None:
    """The words of a file name ("red_ball-003.mp4" says "red ball"); a name without letters says nothing."""
    stem = name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", stem)
    kept = [w for w in spaced.split() if not any(c.isdigit() for c in w) and w.lower() not in CAMERAS]
    return " ".join(kept) or None


def _from_json(file: Path) -> Annotation:
    if not file.is_file():
        return Annotation()
    name = readable(file.name)
    try:
        values = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return Annotation(notes=(f"{name} is left out: {_sentence(error)}",))
    if not isinstance(values, dict):
        return Annotation(notes=(f"{name} is left out: it must hold an object with caption and numbers",))
    found = Annotation()
    caption, numbers = values.get("caption"), values.get("numbers")
    if isinstance(caption, str):
        found = replace(found, caption=caption.strip() or None)
    elif caption is not None:
        found = replace(found, notes=(*found.notes, f"{name}: caption must be text, got {type(caption).__name__}"))
    if numbers is not None:
        try:
            found = replace(found, numbers=_numbers(numbers))
        except ValueError as error:
            found = replace(found, notes=(*found.notes, f"{name}: {error}"))
    return found


def _from_txt(file: Path) -> Annotation:
    if not file.is_file():
        return Annotation()
    try:
        text = " ".join(file.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError) as error:
        return Annotation(notes=(f"{readable(file.name)} is left out: {_sentence(error)}",))
    return Annotation(caption=text) if text else Annotation(notes=(f"{readable(file.name)} is left out: it is empty",))


def _table(name: str, rows: list[dict[Any, Any]]) -> CaptionTable:
    columns = [column for column in (rows[0] if rows else {}) if column]
    file_column = next((c for c in columns if c.strip().lower() in ("file", "path")), None)
    text_column = next((c for c in columns if c.strip().lower() in ("caption", "text")), None)
    if file_column is None:
        return CaptionTable(notes=(f"{name} is left out: it must have a column named file or path",))
    others = [c for c in columns if c not in (file_column, text_column)]
    # a column is of numbers when most of its cells are: one typing error must not change what a model is given
    numeric = [c for c in others if 2 * sum(_number(row.get(c)) is not None for row in rows) > len(rows)]
    found, notes = {}, []
    if text_column is None and (words := [column for column in others if column not in numeric]):
        notes.append(f"{name}: nobody reads the column {words[0]}; captions are read from one named caption or text")
    for line, row in enumerate(rows, start=2):
        values = [_number(row.get(column)) for column in numeric]
        bad = [column for column, value in zip(numeric, values, strict=True) if value is None]
        if bad:
            notes.append(
                f"{name} line {line}: {bad[0]} must be a number, got {row.get(bad[0])!r}; its numbers are left out"
            )
        numbers = np.array(values, np.float32) if values and not bad else None
        caption = " ".join((row.get(text_column) or "").split()) if text_column else ""
        path = Path((row.get(file_column) or "").strip()).as_posix()
        found[path] = Annotation(caption=caption or None, numbers=numbers)
    return CaptionTable(found, tuple(notes))


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _numbers(values: Any) -> np.ndarray:
    try:
        numbers = np.array(values, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("numbers must be a list of numbers, or lists of one length for each frame") from None
    if numbers.ndim not in (1, 2) or not numbers.size:
        raise ValueError(f"numbers must be [numbers] or [frames, numbers], got shape {list(numbers.shape)}")
    if not np.isfinite(numbers).all():
        raise ValueError("numbers must be finite")
    return numbers


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__

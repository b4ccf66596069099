"""Tables of captions: CSV, TSV, JSON and JSON lines, and lists of lines, as tools for data sets write them.

A table is any such file in a folder of the source that has a column of files and, mostly, one of captions. It speaks
of the files below its folder. Further columns of numbers are numbers to condition on, unless their names say that they
describe the file (`width`, `fps`, ...).
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from framefall.data.media.frame import readable
from framefall.data.media.kinds import SUFFIXES, named
from framefall.data.text import read_text, whole

# The names that fine-tuning scripts and data sets use: Hugging Face folders, diffusers and finetrainers, Open-Sora,
# Open-Sora-Plan, CogVideoX, VideoX-Fun, DiffSynth, musubi-tuner, kohya, video2dataset, Panda-70M, InternVid, MiraData.
FILE_COLUMNS = named(
    "file file_name filename file_path filepath path video video_path video_file video_name videopath clip "
    "clip_path image image_path image_file img img_path media media_path videoid video_id vid clip_id youtubeid "
    "image_id id key"
)
CAPTION_COLUMNS = named(
    "caption text prompt captions cap description prompts long_caption dense_caption video_caption "
    "detailed_caption recaption refined_caption text_prompt llm_caption short_caption sentence"
)
NUMBERS = "numbers"  # a column or key that is numbers to condition on, whatever else there is
LINES_OF_FILES = ("videos.txt", "images.txt", "files.txt", "video.txt")
LINES_OF_CAPTIONS = ("prompts.txt", "prompt.txt", "captions.txt", "caption.txt")
_OF_THE_FILE = frozenset(  # what describes a file, or a row, and is nothing to condition on
    named(
        "w h width height size resolution res aspect aspect_ratio ar ratio pixels num_pixels area rotation channels "
        "fps frame_rate framerate rate frame frames num_frames n_frames nframes frame_count frame_num total_frames "
        "length len duration seconds sec secs duration_s duration_sec time times timestamp timestamps start end begin "
        "stop start_time end_time start_sec end_sec start_frame end_frame start_idx end_idx from to index idx no nr "
        "row line number num id uid key unnamed split fold label year month day date bytes filesize file_size "
        "size_bytes bitrate bit_rate crf bucket num_tokens tokens text_len caption_len words crop crop_x crop_y "
        "crop_w crop_h orig_width orig_height original_width original_height md5 hash phash nsfw punsafe safe "
        "aesthetic aesthetics similarity clip_sim"
    )
)
_SUFFIXES_OF_THE_FILE = ("_score", "_scores", "score", "_id", "_idx", "_index", "_width", "_height", "_fps", "_hash")


@dataclass(frozen=True, eq=False)
class Row:
    """What a table says of one file."""

    caption: str | None
    numbers: np.ndarray | None  # float32 [numbers]
    where: str  # "captions.csv line 3"


@dataclass(frozen=True)
class Table:
    """The rows of one table by file, as they name them, and what there is to say about it."""

    name: str
    rows: Mapping[str, Row] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # each goes on after the name: " is left out: ...", ": ..."
    promised: bool = True  # by its name or kind; other files are tables if they name a source

    def find(self, relative: str) -> Row | None:
        """The row of a file by its path below the table's folder.

        A row may say fewer folders, or more where no other row does with that name; and it may leave out the suffix.
        """
        for name in dict.fromkeys((_path(relative), _bare(_path(relative)))):
            if name in self.rows:
                return self.rows[name]
            like = self._by_last.get(name.rpartition("/")[2], ())
            shorter = [row for row in like if name.endswith("/" + row)]
            longer = [row for row in like if row.endswith("/" + name)]
            if shorter or len(longer) == 1:
                return self.rows[max(shorter, key=len) if shorter else longer[0]]
        return None

    def names(self, relative: str) -> bool:
        """Whether a row names a file with all of its folders below the table's."""
        return _path(relative) in self.rows or _bare(_path(relative)) in self.rows

    @cached_property
    def _by_last(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in self.rows:
            found.setdefault(row.rpartition("/")[2], []).append(row)
        return found


def read_table(file: Path) -> Table | None:
    """The rows of a table; None if it is none, which is said where its name or its kind promises one."""
    name, suffix = readable(file.name), file.suffix.lower()
    if suffix not in (".csv", ".tsv", ".jsonl", ".json", ".parquet"):
        return None
    promised = suffix != ".json" or file.stem.lower() in ("captions", "metadata", "prompts")
    try:
        if not file.is_file():
            raise ValueError("it is no plain file")
        text, remark = ("", "") if suffix == ".parquet" else read_text(file)
        rows = _unpacked(file) if suffix == ".parquet" else _rows(text, suffix)
        if not rows:
            raise ValueError("it has no rows")
        table = _table(name, rows, promised)
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        return Table(name, notes=(f" is left out: {why}",)) if promised else None
    return replace(table, notes=(*((f": {remark}",) if remark else ()), *table.notes))


def of_rows(name: str, rows: Sequence[tuple[int, dict[str, Any]]]) -> Table:
    """A table whose rows are at hand, with their numbers; each names its file under `file`."""
    return _table(name, [(line, {_whole(key): cell for key, cell in row.items()}) for line, row in rows], True)


def read_lines(files: Path, captions: Path) -> Table:
    """Two lists whose lines go together: files in one, captions in the other."""
    name = readable(captions.name)
    try:
        paths, texts = (read_text(one)[0].rstrip().splitlines() for one in (files, captions))
    except (OSError, ValueError) as error:
        return Table(name, notes=(f" is left out: {error}",))
    if len(paths) != len(texts):
        counts = f"{len(texts)} lines, and {readable(files.name)} has {len(paths)}"
        return Table(name, notes=(f" is left out: it has {counts}; they must go together line by line",))
    lines = enumerate(zip(paths, texts, strict=True), start=1)
    return Table(name, {_path(path): Row(clean(text), None, f"{name} line {line}") for line, (path, text) in lines})


def caption_of(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The caption among named values as it stands there, and what is wrong with what should be one."""
    named = {_plain(key): value for key, value in values.items()}
    found = next((text for name in CAPTION_COLUMNS if (text := _text(named.get(name)))), None)
    value = named.get("caption")
    odd = found is None and value is not None and not isinstance(value, str | list | dict)
    return found, f"caption must be text, got {type(value).__name__}" if odd else None


def clean(text: str) -> str | None:
    """A caption in one line, of whole characters; None if nothing is left."""
    return " ".join(whole(text).split()) or None


def numbers_of(values: Any) -> np.ndarray:
    """Numbers as float32 [numbers] or [frames, numbers]; raises `ValueError`."""
    try:
        with np.errstate(over="ignore"):  # what is too large is not finite then
            numbers = np.array(values, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("numbers must be a list of numbers, or lists of one length for each frame") from None
    if numbers.ndim not in (1, 2) or not numbers.size:
        raise ValueError(f"numbers must be [numbers] or [frames, numbers], got shape {list(numbers.shape)}")
    if not np.isfinite(numbers).all():
        raise ValueError("numbers must be finite")
    return numbers


def _rows(text: str, suffix: str) -> list[tuple[int, dict[str, Any]]] | None:
    """Rows with their line numbers, and no half of a character in a column's name; None if the text is no table."""
    found = _parsed(text, suffix)
    return (
        None if found is None else [(line, {_whole(name): cell for name, cell in row.items()}) for line, row in found]
    )


def _unpacked(file: Path) -> list[tuple[int, dict[str, Any]]]:
    parquet = import_module("framefall.data.remote.parquet")  # which reads its captions here

    return [(line, {_whole(name): cell for name, cell in row.items()}) for line, row in parquet.described(file)]


def _whole(name: Any) -> Any:
    return whole(name) if isinstance(name, str) else name


def _parsed(text: str, suffix: str) -> list[tuple[int, dict[str, Any]]] | None:
    if suffix in (".csv", ".tsv"):
        header = text.lstrip().partition("\n")[0]
        delimiter = max("\t,;|" if suffix == ".tsv" else ",;\t|", key=header.count)
        csv.field_size_limit(1 << 24)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        return [(reader.line_num, row) for row in reader]
    if suffix == ".jsonl":
        lines = [(line, json.loads(one)) for line, one in enumerate(text.splitlines(), start=1) if one.strip()]
        return [(line, row) for line, row in lines if isinstance(row, dict)]
    values = json.loads(text)
    if isinstance(values, dict):
        lists = [value for value in values.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if lists:
            values = lists[0]
        elif values and all(isinstance(value, str | dict) for value in values.values()):
            said = ((key, value if isinstance(value, dict) else {"caption": value}) for key, value in values.items())
            return [(line, {**value, "file": key}) for line, (key, value) in enumerate(said, start=1)]
    if not isinstance(values, list):
        return None
    return [(line, row) for line, row in enumerate(values, start=1) if isinstance(row, dict)]


def _table(name: str, rows: Sequence[tuple[int, dict[Any, Any]]], promised: bool) -> Table:
    columns = list(
        dict.fromkeys(column for _, row in rows for column in row if isinstance(column, str) and column.strip())
    )
    plain = {_plain(column): column for column in reversed(columns)}
    file_column = next((plain[one] for one in FILE_COLUMNS if one in plain), None)
    if file_column is None:
        raise ValueError("it must have a column named file or path")
    captions = CAPTION_COLUMNS if "videoid" not in plain else [*CAPTION_COLUMNS, "name"]  # WebVid's
    text_columns = [plain[one] for one in captions if one in plain and plain[one] != file_column]
    others = [one for one in columns if one != file_column and one not in text_columns and _plain(one) != NUMBERS]
    # a column is of numbers when most of its cells are: one typing error must not change what a model is given
    numeric = [one for one in others if 2 * sum(_number(row.get(one)) is not None for _, row in rows) > len(rows)]
    described = [one for one in numeric if _describes(one)]
    numeric = [] if NUMBERS in plain else [one for one in numeric if one not in described]
    notes = []
    if not text_columns and (
        words := [column for column in others if column not in numeric and column not in described]
    ):
        notes.append(f": nobody reads the column {words[0]}; captions are read from one named caption or text")
    if numeric:
        notes.append(f": conditioning numbers are read from {', '.join(numeric)}")
    if described:
        notes.append(f": {', '.join(described)} describe the files, and are no conditioning numbers")
    found, what = {}, "row" if name.lower().endswith((".json", ".parquet", ".arrow")) else "line"
    for line, row in rows:
        numbers, remark = _row_numbers(row, numeric, plain.get(NUMBERS))
        if remark:
            notes.append(f" {what} {line}: {remark}; its numbers are left out")
        cell = row.get(file_column)
        if cell is not None and str(cell).strip():
            caption = next((text for column in text_columns if (text := _text(row.get(column)))), None)
            if caption is not None and whole(caption) != caption:
                notes.append(f" {what} {line}: half of a character in its caption is replaced by \ufffd")
            found[_path(str(cell))] = Row(clean(caption or ""), numbers, f"{name} {what} {line}")
    return Table(name, found, tuple(notes), promised)


def _row_numbers(
    row: Mapping[str, Any], numeric: Iterable[str], whole_list: str | None
) -> tuple[np.ndarray | None, str]:
    """The numbers of a row, and what is wrong with them."""
    if whole_list is not None:
        values = row.get(whole_list)
        if values is None or values == "":
            return None, ""
        try:
            cells = re.split(r"[\s,;]+", values.strip(" []()")) if isinstance(values, str) else values
            return numbers_of([float(cell) for cell in cells] if isinstance(values, str) else cells), ""
        except (TypeError, ValueError):
            return None, f"{whole_list} must be a list of numbers, got {str(values)[:40]!r}"
    cells = {column: _number(row.get(column)) for column in numeric}
    bad = [column for column, value in cells.items() if value is None]
    if bad:
        return None, f"{bad[0]} must be a number, got {row.get(bad[0])!r}"
    return (np.array(list(cells.values()), np.float32) if cells else None), ""


def _text(value: Any) -> str | None:
    """A caption out of a cell, as it stands there: text, the first of a list, or a named part of an object."""
    if isinstance(value, str):
        inside = value.strip()
        if inside.startswith("[") and inside.endswith("]"):  # a list that was written into one cell
            try:
                return _text(json.loads(inside.replace("'", '"')))
            except (ValueError, RecursionError):
                pass
        return value if value.strip() else None
    if isinstance(value, list):
        return next((found for one in value[:8] if (found := _text(one))), None)
    if isinstance(value, dict):
        return next((found for name in ("caption", "text", "content", "en") if (found := _text(value.get(name)))), None)
    return None


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if abs(value) <= _LARGEST and not isinstance(cell, bool) else None


def _plain(column: str) -> str:
    return re.sub(r"\W+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip())).strip("_").lower()


def _describes(column: str) -> bool:
    plain = _plain(column)
    return plain in _OF_THE_FILE or plain.endswith(_SUFFIXES_OF_THE_FILE) or plain.startswith(("unnamed", "aesthetic"))


def _path(cell: str) -> str:
    """A file as a table names it: with the slashes of this system, and letters with their accents in one piece."""
    path = PurePosixPath(unicodedata.normalize("NFC", cell.strip()).replace("\\", "/"))
    return path.as_posix().lstrip("/")


def _bare(relative: str) -> str:
    """The path without a media file's suffix."""
    path = PurePosixPath(relative)
    return path.with_suffix("").as_posix() if path.suffix.lower() in SUFFIXES else relative


_LARGEST = float(np.finfo(np.float32).max)  # numbers are kept so

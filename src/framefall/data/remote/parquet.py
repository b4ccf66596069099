"""Tables of Parquet, and of Arrow as Hugging Face `datasets` saves them, whose rows have videos as bytes.

Captions and numbers are read from the other columns, as those of a CSV are. A column of videos is one of bytes, or of
bytes and a path (what `datasets` writes). Where the videos are files the table is one of captions (`tables.py`).
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from framefall.data import tables
from framefall.data.captions import Annotation
from framefall.data.item import Item, Items
from framefall.data.media.frame import readable
from framefall.data.media.kinds import SUFFIXES
from framefall.data.remote.place import Cell, Place
from framefall.data.remote.skeleton import unsafe
from framefall.data.remote.tree import File, SourceError, Tree, hashed, opened, reading

SUFFIX = {".parquet", ".arrow"}
LARGEST = 1 << 32  # bytes of one column of one group of rows
_ROWS = 1024  # read at once where no videos are


def items(tree: Tree) -> Items:
    """A video for every row of every table below a source."""
    found, left_out, notes = list[Item](), dict[str, str](), list[str]()
    taken: set[str] = set()
    for name in tree.ending(*SUFFIX):
        file = tree.files[name]
        try:
            rows, columns = _rows(file)
        except SourceError as error:
            left_out[readable(name)] = str(error)
            continue
        places: list[tuple[str, Place, str]] = []
        lines: list[tuple[int, dict[str, Any]]] = []
        for number, row in enumerate(rows):
            for column in columns:
                own = f"{number + 1:06d}" + (f".{column}" if len(columns) > 1 else "") + ".mp4"
                said = _called(row[column], f"{PurePosixPath(name).with_suffix('')}/{own}", taken)
                taken.add(said)
                identity = hashed(file.identity, column, number)
                places.append((said, Place(said, (Cell(said, file.url, column, number),)), identity))
                others = {key: value for key, value in row.items() if key not in columns}
                lines.append((number + 1, {**others, "file": said}))
        table = tables.of_rows(readable(name), lines)
        notes += [table.name + note for note in table.notes]
        for said, place, identity in places:
            one = table.find(said)
            annotation = Annotation(one.caption, one.numbers, where=one.where) if one else Annotation()
            found.append(Item(readable(said), place, lambda annotation=annotation: annotation, identity))  # type: ignore[misc]
    found.sort(key=lambda item: item.name.encode())
    return Items(tuple(found), left_out, tuple(notes))


def records(file: File, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a table without videos."""
    with _table(file.url) as table:
        for batch in _batches(table, columns):
            yield from batch.to_pylist()


def cell(url: str, column: str, row: int) -> bytes | None:
    """The bytes in one cell, or none; raises `SourceError`."""
    filesystem, path = opened(url)
    version = str(filesystem.info(path))
    start = 0
    for number, count in enumerate(_groups(url, version)):
        if row < start + count:
            value = _group(url, version, column, number)[row - start].as_py()
            value = value.get("bytes") if isinstance(value, dict) else value
            return value if isinstance(value, bytes) else None
        start += count
    raise SourceError(f"{url} must have {row + 1} rows, has {start}")


def described(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The numbered rows of a table of this machine, without what is bytes; raises `SourceError`."""
    with _table(str(path)) as table:
        columns = [field.name for field in _schema(table) if not _is_bytes(field.type)]
        found = [row for batch in _batches(table, columns) for row in batch.to_pylist()]
    return list(enumerate(found, start=1))


def _rows(file: File) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows with the paths of their videos in the place of these, and the columns of videos."""
    with _table(file.url) as table:
        schema = _schema(table)
        columns = _columns(schema)
        if not columns:
            listed = ", ".join(schema.names[:8]) + (", ..." if len(schema.names) > 8 else "")
            raise SourceError(
                f"it must have a column with the bytes of videos, has {listed or 'none'};"
                " where the videos are files give the folder that holds them and the table"
            )
        wanted = [f"{name}.path" if _is_struct(schema.field(name).type) else name for name in schema.names]
        wanted = [name for name in wanted if name not in columns]
        found = [row for batch in _batches(table, wanted) for row in batch.to_pylist()]
    count = sum(_groups(file.url, file.identity))
    return [{**dict.fromkeys(columns), **(found[number] if found else {})} for number in range(count)], columns


def _schema(table: Any) -> Any:
    return table.schema_arrow if hasattr(table, "schema_arrow") else table.schema


def _columns(schema: Any) -> list[str]:
    """The columns of videos: what `datasets` says they are, or else by their types and names."""
    binary = [field.name for field in schema if _is_bytes(field.type)]
    declared = _declared(schema)
    for kind in ("Video", "Image"):
        if chosen := [name for name in binary if declared.get(name) == kind]:
            return chosen
    return [name for name in binary if "video" in name.lower()] or binary[:1]


def _is_bytes(of: Any) -> bool:
    import pyarrow

    return _is_struct(of) or bool(pyarrow.types.is_binary(of) or pyarrow.types.is_large_binary(of))


def _declared(schema: Any) -> dict[str, str]:
    """What `datasets` says of the columns that hold media."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {str(name): str(of["_type"]) for name, of in features.items() if isinstance(of, dict) and "_type" in of}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _is_struct(of: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_struct(of)) and {"bytes", "path"} <= {field.name for field in of}


def _called(cell: object, default: str, taken: set[str]) -> str:
    """A name for what a row holds: its own path where that is one and nobody else's."""
    path = cell.get("path") if isinstance(cell, dict) else None
    if not isinstance(path, str) or PurePosixPath(path).suffix.lower() not in SUFFIXES:
        return default
    for name in (path, PurePosixPath(path).name):
        if not unsafe(name) and name not in taken:
            return name
    return default


class _table:  # noqa: N801  a context manager reads as a function does
    """An open table, of Parquet or Arrow."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Any:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise SourceError(
                "it is read by pyarrow, which is not installed: pip install 'framefall[sources]'"
            ) from None
        with reading(self._url):
            filesystem, path = opened(self._url)
            self._stream = filesystem.open(path, "rb")
            try:
                if self._url.lower().endswith(".arrow"):
                    return pyarrow.ipc.open_stream(self._stream)
                return pyarrow.parquet.ParquetFile(self._stream)
            except pyarrow.ArrowException as error:
                self._stream.close()
                said = " ".join(str(error).split())[:100]
                raise SourceError(f"it is no table that can be read, or damaged ({said})") from None

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _batches(table: Any, columns: Sequence[str] | None) -> Iterator[Any]:
    import pyarrow

    try:
        if hasattr(table, "iter_batches"):
            for number in range(table.num_row_groups):
                _check(table, number, columns)
            yield from table.iter_batches(_ROWS, columns=None if columns is None else list(columns))
            return
        for batch in table:
            arrays = {}
            for wanted in batch.schema.names if columns is None else columns:
                name, _, part = wanted.partition(".")
                column = batch.column(name) if part else batch.column(wanted)
                arrays[name if part else wanted] = (
                    pyarrow.StructArray.from_arrays([column.field(part)], [part]) if part else column
                )
            yield pyarrow.RecordBatch.from_pydict(arrays) if arrays else batch.select([])
    except pyarrow.ArrowException as error:
        said = " ".join(str(error).split())[:100]
        raise SourceError(f"it is damaged ({said})") from None


def _check(table: Any, group: int, columns: Sequence[str] | None) -> None:
    """Refuses what unpacks to more than anybody writes, before memory is spent."""
    about = table.metadata.row_group(group)
    for number in range(about.num_columns):
        column = about.column(number)
        wanted = columns is None or any(
            column.path_in_schema == one or column.path_in_schema.startswith(one + ".") for one in columns
        )
        if wanted and column.total_uncompressed_size > LARGEST:
            raise SourceError(f"its column {column.path_in_schema} unpacks to more than {LARGEST >> 30} GB at once")


@lru_cache(maxsize=16)
def _groups(url: str, version: str) -> tuple[int, ...]:
    """How many rows each group of a table has that is read at once."""
    with _table(url) as table:
        if hasattr(table, "iter_batches"):
            return tuple(table.metadata.row_group(number).num_rows for number in range(table.num_row_groups))
        return tuple(batch.num_rows for batch in table)


@lru_cache(maxsize=2)  # rows come in order: what was unpacked for one is there for the next
def _group(url: str, version: str, column: str, number: int) -> Any:
    with _table(url) as table:
        if hasattr(table, "iter_batches"):
            _check(table, number, [column])
            return table.read_row_group(number, columns=[column]).column(column).combine_chunks()
        for place, batch in enumerate(table):
            if place == number:
                return batch.column(column)
    raise SourceError(f"{url} is not as it was")

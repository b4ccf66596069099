"""Where bytes are that are not a file of this machine: copied here for as long as they are decoded, then removed.

Only the decoded frames are kept: a data set of any size passes through a few temporary files.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from framefall.data.cached.store import RESERVE
from framefall.data.media.frame import DecodeError
from framefall.data.remote.tree import opened, reading

_CHUNK = 1 << 22
_PREFIX = "remote-"  # of the folders in which a process has what it is decoding


@dataclass(frozen=True)
class Piece:
    """Consecutive bytes of a file: all of it, or one member of an archive."""

    name: str  # of the file that it becomes here
    url: str
    start: int
    size: int

    def copy(self, path: Path) -> None:
        """Writes the bytes to a file."""
        left = self.size
        with reading(self.url):
            filesystem, inside = opened(self.url)
            with filesystem.open(inside, "rb", cache_type="none") as source, open(path, "wb") as out:
                source.seek(self.start)
                while left and (part := source.read(min(_CHUNK, left))):
                    out.write(part)
                    left -= len(part)
        if left:
            raise DecodeError(self.name, f"it ends {left:,} bytes early")

    def read(self, most: int) -> bytes:
        """The first bytes."""
        with reading(self.url):
            filesystem, inside = opened(self.url)
            end = self.start + min(most, self.size)
            return bytes(filesystem.cat_file(inside, start=self.start, end=end))


@dataclass(frozen=True)
class Cell:
    """The bytes in one cell of a table of Parquet or Arrow."""

    name: str
    url: str
    column: str
    row: int
    size: int = 0  # not known before it is read

    def copy(self, path: Path) -> None:
        """Writes the bytes to a file."""
        parquet = import_module("framefall.data.remote.parquet")  # whose rows lead to places

        with reading(self.url):
            content = parquet.cell(self.url, self.column, self.row)
        if not content:
            raise DecodeError(self.name, f"row {self.row + 1} has no bytes in column {self.column}")
        path.write_bytes(content)


@dataclass(frozen=True)
class Place:
    """A video or a picture, or the frames of a video, elsewhere."""

    name: str  # of the source: a file, a folder of frames, or a pattern of their names
    pieces: tuple[Piece | Cell, ...]
    frames: bool = False  # whether the pieces are the frames of one video

    def __str__(self) -> str:
        return f"{self.name} of {self.pieces[0].url}"

    @contextlib.contextmanager
    def here(self, root: Path) -> Iterator[Path]:
        """It as a file or folder of this machine, below `root`, while the block runs."""
        if (whole := self._whole()) is not None:
            yield whole
            return
        needed = sum(piece.size for piece in self.pieces)
        root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(root).free < needed + RESERVE:
            raise DecodeError(self.name, f"it has {needed:,} bytes, and the disk of {root} has no room for them")
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=root, ignore_cleanup_errors=True) as folder:
            name = PurePosixPath(self.name).name
            if not self.frames:
                path = Path(folder, "it" + PurePosixPath(name).suffix)
                self.pieces[0].copy(path)
            else:
                inside = Path(folder, "frames")
                inside.mkdir()
                for piece in self.pieces:
                    piece.copy(inside / PurePosixPath(piece.name).name)
                path = inside / name if "%" in name else inside
            yield path

    def _whole(self) -> Path | None:
        """The file of this machine that it is all of."""
        piece = self.pieces[0]
        if self.frames or isinstance(piece, Cell) or piece.start or not os.path.isfile(piece.url):
            return None
        return Path(piece.url) if os.path.getsize(piece.url) == piece.size else None


def as_values(place: Path | Place) -> Any:
    """A place as JSON has it."""
    if isinstance(place, Path):
        return str(place.absolute())
    return asdict(place)


def from_values(values: Any) -> Path | Place:
    """The place that `as_values` wrote."""
    if not isinstance(values, Mapping):
        return Path(values)
    pieces = tuple(Cell(**one) if "column" in one else Piece(**one) for one in values["pieces"])
    return Place(str(values["name"]), pieces, bool(values["frames"]))


def sweep(root: Path) -> None:
    """Removes what killed processes were decoding: whatever is older than any file takes."""
    for path in root.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD:
                shutil.rmtree(path, ignore_errors=True)


_OLD = 86_400.0  # seconds

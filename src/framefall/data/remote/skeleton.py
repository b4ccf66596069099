"""A source as a folder of names: its texts, and an empty file for each video, so that one set of rules reads all.

Which pictures are a video, whose caption is whose and what is left out is decided there by `scan.py` and `captions.py`,
as in a plain folder; the videos themselves stay where they are.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from framefall.data.captions import SIDECARS, Captions
from framefall.data.item import Item, Items
from framefall.data.media.frame import readable
from framefall.data.media.kinds import PICTURES, SUFFIXES
from framefall.data.media.numbering import RATE, frames_of, is_pattern
from framefall.data.remote.place import Piece, Place
from framefall.data.scan import look
from framefall.data.text import LARGEST

TEXTS = frozenset({*SIDECARS, ".csv", ".tsv", ".jsonl", ".parquet"})
HEAD = 1 << 16  # bytes of a picture that say how large it is


class Skeleton:
    """A folder that is filled with the names of a source, and then read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        self._pieces: dict[str, Piece] = {}
        self._identities: dict[str, str] = {}

    def add(self, name: str, piece: Piece, identity: str, head: bytes | None = None) -> None:
        """A file of the source: its text is read here, of a picture the first bytes, of a video none.

        `head` is what `needed` asks for, where that has been read already.
        """
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in TEXTS | SUFFIXES:
            return
        if reason := unsafe(name):
            self.left_out[readable(name)] = reason
            return
        path = self.root / name
        if suffix in TEXTS and piece.size > LARGEST:
            self.left_out[readable(name)] = f"it must have at most {LARGEST:,} bytes, has {piece.size:,}"
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix in TEXTS:
            path.write_bytes(piece.read(piece.size) if head is None else head)
            self._keep_rate(name, piece, identity)
            return
        wanted = needed(name, piece.size)
        path.write_bytes(b"" if not wanted else piece.read(wanted) if head is None else head)
        self._pieces[name], self._identities[name] = piece, identity

    def _keep_rate(self, name: str, piece: Piece, identity: str) -> None:
        if PurePosixPath(name).name == RATE:
            self._pieces[name], self._identities[name] = piece, identity

    def copy(self, name: str, other: str) -> None:
        """A text under another name, unless there is one."""
        path = self.root / other
        if (self.root / name).is_file() and not path.exists() and not unsafe(other):
            path.write_bytes((self.root / name).read_bytes())

    def items(self) -> Items:
        """What the source consists of, by the rules of a folder; the folder must stay until all is annotated."""
        found = look(self.root)
        words = Captions(self.root, found.sources)

        def item(source: Path) -> Item:
            name = source.relative_to(self.root).as_posix()
            names = list(self._of(source))
            pieces = tuple(self._pieces[one] for one in names)
            said = "\n".join(f"{one} {self._identities[one]}" for one in names)
            identity = hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()
            place = Place(readable(name), pieces, frames=name not in self._pieces)
            return Item(readable(name), place, lambda: words.annotate(source), identity)

        return Items(tuple(map(item, found.sources)), {**found.left_out, **self.left_out}, (*self.notes, *words.notes))

    def _of(self, source: Path) -> Iterator[str]:
        """The files that a source is made of: itself, or the pictures of its folder, and their rate."""
        name = source.relative_to(self.root).as_posix()
        if name in self._pieces:
            yield name
            return
        folder = source.parent if is_pattern(source) else source
        if is_pattern(source):
            files = list(frames_of(source).files)
        else:
            files = sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURES)
        for file in [*files, folder / RATE]:
            if (inside := file.relative_to(self.root).as_posix()) in self._pieces:
                yield inside


def needed(name: str, size: int) -> int:
    """How many of a file's first bytes are read to know what there is."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in TEXTS:
        return size if size <= LARGEST else 0
    return min(size, HEAD) if suffix in PICTURES else 0


def unsafe(name: str) -> str:
    """Why a name that a stranger chose must not become a path; nothing for one that may."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ".." in parts or "\0" in name or ":" in parts[0]:
        return "its name leads out of the source"
    if not name or "" in parts or "." in parts:
        return "its name is no path below the source"
    if len(os.fsencode(name)) > 1000 or any(len(os.fsencode(part)) > 200 for part in parts):
        return "its name is too long"
    return ""

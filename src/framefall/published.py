"""Reading what `publish` published: names and sizes as the manifest has them, and each file once.

Exceptions: `Corrupt` (a `ValueError`) when a folder is not what its manifest says.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from framefall import bounded

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
Result = TypeVar("Result")
_SOON = 1 << 28  # bytes that are hashed within a second
_RESTORE = "restore the folder from a copy"


class Corrupt(ValueError):
    """A published folder does not hold what its manifest says."""


class Published:
    """A published folder as its manifest says it is: names and sizes are compared at once, bytes as they are read.

    Each file is read once, so that what is used is what was checked. Raises `Corrupt` naming the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._entries = listed(self.path)
        self._left = set(self._entries)
        present = set(files_in(self.path))
        for name in sorted(self._entries.keys() | present):
            if name not in present:
                raise Corrupt(f"{self.path / name} is listed in the manifest and missing: {_RESTORE}")
            if name not in self._entries:
                raise Corrupt(f"{self.path / name} is not in the manifest: remove it, or publish the folder again")
            with self._open(name) as file:
                if os.fstat(file).st_size != self._entries[name][0]:
                    raise Corrupt(f"{self.path / name} is not what the manifest says: {_RESTORE}")

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of every file."""
        return {name: size for name, (size, _) in self._entries.items()}

    def read(self, name: str, most: int, first: Callable[[int], object] | None = None) -> bytes:
        """A file of at most `most` bytes; `first` looks at its descriptor, and may refuse it, before it is read."""
        if name not in self._entries:
            raise Corrupt(f"{self.path / name} is missing: {_RESTORE}")
        size, digest = self._entries[name]
        if size > most:
            raise Corrupt(f"{self.path / name} must have at most {most:,} bytes, has {size:,}: {_RESTORE}")
        with self._open(name) as file:
            try:
                if first is not None:
                    first(file)
            except Corrupt:
                if size > _SOON or _digest(file) == digest:
                    raise
                raise Corrupt(f"{self.path / name} is not what the manifest says: {_RESTORE}") from None
            os.lseek(file, 0, os.SEEK_SET)
            data = bounded.read_all(file, self.path / name, size)
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise Corrupt(f"{self.path / name} is not what the manifest says: {_RESTORE}")
        self._left.discard(name)
        return data

    def rest(self) -> dict[str, str]:
        """{file: SHA-256} of all, when those that nobody has read are checked too."""
        for name in sorted(self._left):
            with self._open(name) as file:
                if _digest(file) != self._entries[name][1]:
                    raise Corrupt(f"{self.path / name} is not what the manifest says: {_RESTORE}")
        self._left.clear()
        return {name: digest for name, (_, digest) in self._entries.items()}

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[int]:
        try:
            with bounded.opened(self.path / name, follow=False) as file:
                yield file
        except FileNotFoundError as error:
            raise Corrupt(f"{error.filename} vanished while it was read: {_RESTORE}") from None
        except bounded.Unreadable as error:
            raise Corrupt(f"{error}: {_RESTORE}") from None


def reading(path: str | Path, use: Callable[[Published], Result]) -> Result:
    """What `use` makes of a published folder; one that is replaced meanwhile is read again, so that two never mix."""
    path = Path(path)
    while True:
        before = _identity(path)
        try:
            found = use(Published(path))
        except ValueError:
            if before == _identity(path):
                raise
        else:
            if before == _identity(path):
                return found


def verify(path: str | Path) -> dict[str, str]:
    """Checks every file of a published folder; gives {file: SHA-256}, or raises `Corrupt` naming the file."""
    return reading(path, Published.rest)


def is_published(path: str | Path) -> bool:
    """Whether a folder has a manifest of Framefall's, whatever has become of its files."""
    try:
        return bool(listed(Path(path)))
    except ValueError:
        return False


def sha256(path: str | Path) -> str:
    """The SHA-256 of a plain file's bytes."""
    with bounded.opened(path) as file:
        return _digest(file)


def files_in(path: Path) -> list[str]:
    """All that is no folder, links and pipes too, by name below `path`; the manifest apart."""
    found, folders = list[str](), [""]
    while folders:
        folder = folders.pop()
        with os.scandir(path / folder) as entries:
            for entry in entries:
                deeper = folders if entry.is_dir(follow_symlinks=False) else found
                deeper.append(f"{folder}/{entry.name}" if folder else entry.name)
    return sorted(name for name in found if name != MANIFEST)


def listed(path: Path) -> dict[str, tuple[int, str]]:
    """What a folder's manifest says: size and SHA-256 of every file, by name. Raises `Corrupt`."""
    try:
        manifest = bounded.parse(bounded.read(path / MANIFEST, bounded.TABLE, follow=False))
        version = manifest["format_version"]
        if version != FORMAT_VERSION:  # before the rest is read: another version may lay it out otherwise
            wanted = f"{path / MANIFEST} has format version {version}, this Framefall reads {FORMAT_VERSION}"
            raise Corrupt(f"{wanted}: update Framefall")
        listed = manifest["files"].items()
        return {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in listed}
    except (FileNotFoundError, NotADirectoryError):
        raise Corrupt(f"{path} has no {MANIFEST}: it is not a published folder, or was not copied whole") from None
    except Corrupt:
        raise
    except bounded.Unreadable as error:
        raise Corrupt(f"{error}: {_RESTORE}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Corrupt(f"{path / MANIFEST} is damaged: {_RESTORE}") from None


def _digest(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with open(file, "rb", closefd=False) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _identity(path: Path) -> tuple[int, ...]:
    """Changes when another folder takes the name; the times tell folders apart that reuse an inode."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns

"""The only way a file or folder reaches its final name: whole, on disk, and with its hashes.

Write under a partial name, fsync, rename, fsync the folder around it. A reader sees the old content
or the new, never a part. A published folder carries `manifest.json`: size and SHA-256 of every file.
Exceptions: `Corrupt` (a `ValueError`) when a published folder is not what its manifest says.
"""

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
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


@contextlib.contextmanager
def file(path: str | Path) -> Iterator[Path]:
    """Yields a partial name to write to; publishes it under `path` when the block ends well."""
    path = Path(path)
    _make_folder(path.parent)
    with _partial(path) as partial:
        yield partial
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)


@contextlib.contextmanager
def folder(path: str | Path) -> Iterator[Path]:
    """Yields a new empty folder; publishes it, with a manifest, in place of `path` when the block ends well."""
    path = Path(path)
    _make_folder(path.parent)
    with _partial(path) as partial:
        partial.mkdir()
        yield partial
        _write_manifest(partial)
        for name in _files(partial):
            _sync(partial / name)
        for inner in [partial, *(p for p in partial.rglob("*") if p.is_dir())]:
            _sync(inner)
        _move(partial, path)
        _sync(path.parent)


class Published:
    """A published folder as its manifest says it is: names and sizes are compared at once, bytes as they are read.

    Each file is read once, so that what is used is what was checked. Raises `Corrupt` naming the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._entries = _entries(self.path)
        self._left = set(self._entries)
        present = set(_files(self.path))
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


def sha256(path: str | Path) -> str:
    """The SHA-256 of a plain file's bytes."""
    with bounded.opened(path) as file:
        return _digest(file)


def _digest(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with open(file, "rb", closefd=False) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sweep(parent: str | Path) -> None:
    """Removes what killed writers of this machine left in `parent`; whoever still writes is left alone."""
    for path in Path(parent).glob(".*"):
        found = _LEFTOVER.fullmatch(path.name)
        if found is None or found["machine"] != _MACHINE or _alive(int(found["process"])) or path.name in _writing:
            continue
        original = path.with_name(found["name"])
        if found["state"] == "replaced" and not original.exists():
            os.rename(path, original)  # killed between the two renames of `_step_aside`: the old one comes back
        else:
            _remove(path)


# hidden names beside the final one; processes are numbered by machine, and machines may share a disk
_MACHINE = hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()
_LEFTOVER = re.compile(
    r"\.(?P<name>.+)\.(?P<state>partial|replaced)-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}(\.[^.]+)?"
)
_writing: set[str] = set()


def _hidden(path: Path, state: str) -> Path:
    """A hidden neighbour that names its writer and ends in the same suffix (encoders choose by it)."""
    return path.with_name(f".{path.name}.{state}-{_MACHINE}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A new hidden name for the length of the block; what stands there afterwards is removed."""
    partial = _hidden(path, "partial")
    _writing.add(partial.name)
    try:
        yield partial
    finally:
        _remove(partial)
        _writing.discard(partial.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    """Makes a folder and its missing parents so that they survive a power cut."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _sync(path.parent)


def _alive(process: int) -> bool:
    """Whether another process of this number runs; this one knows its own files (`_writing`)."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _identity(path: Path) -> tuple[int, ...]:
    """Changes when another folder takes the name; the times tell folders apart that reuse an inode."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _entries(path: Path) -> dict[str, tuple[int, str]]:
    """The manifest: size and SHA-256 of every file."""
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


def _files(path: Path) -> list[str]:
    """All that is no folder, links and pipes too, by name below `path`; the manifest apart."""
    found, folders = list[str](), [""]
    while folders:
        folder = folders.pop()
        with os.scandir(path / folder) as entries:
            for entry in entries:
                deeper = folders if entry.is_dir(follow_symlinks=False) else found
                deeper.append(f"{folder}/{entry.name}" if folder else entry.name)
    return sorted(name for name in found if name != MANIFEST)


def _write_manifest(path: Path) -> None:
    listed = {name: {"bytes": (path / name).stat().st_size, "sha256": sha256(path / name)} for name in _files(path)}
    text = json.dumps({"format_version": FORMAT_VERSION, "files": listed}, indent=2) + "\n"
    (path / MANIFEST).write_text(text)
    _sync(path / MANIFEST)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(partial: Path, path: Path) -> None:
    """Renames a folder over `path`; where one stands already the two swap names in one step.

    Another writer may take or free the name at any moment, so a step that lost a race is tried again.
    """
    while True:
        try:
            if not path.exists():
                os.rename(partial, path)
            elif not _exchange(partial, path):  # no swap here: the old one stands aside for a moment
                _step_aside(partial, path)
            return
        except OSError as error:
            lost_race = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT) and partial.exists()
            if not lost_race:
                raise


def _step_aside(partial: Path, path: Path) -> None:
    """Two renames; a kill between them leaves `path` without content until the next `sweep`."""
    aside = _hidden(path, "replaced")
    os.rename(path, aside)
    try:
        os.rename(partial, path)
    except OSError:
        if not path.exists():
            os.rename(aside, path)
        raise
    finally:
        if path.exists():
            _remove(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Linux's renameat2(RENAME_EXCHANGE); false where the system or its file system has none."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    current_folder, exchange = -100, 2
    if renameat2(current_folder, os.fsencode(one), current_folder, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(other))

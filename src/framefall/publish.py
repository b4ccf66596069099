"""The only way a file or folder reaches its final name: whole, on disk, and with its hashes.

Write under a partial name, fsync, rename, fsync the folder around it. A reader sees the old content
or the new, never a part. A published folder carries `manifest.json`: size and SHA-256 of every file.
A link is followed and stays; what is neither a file nor a folder, or the other of the two, is never replaced.
Exceptions: `Corrupt` (a `ValueError`) when a published folder is not what its manifest says; `Taken` (a
`FileExistsError`) when the name holds what must not go.
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
import stat
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from framefall.published import FORMAT_VERSION, MANIFEST, Corrupt, files_in, sha256, verify

__all__ = ["MANIFEST", "Corrupt", "Taken", "file", "folder", "kind", "sha256", "sweep", "sync", "try_out", "verify"]


class Taken(FileExistsError):
    """The name holds what must not be replaced. What was to have it stands under `kept`, where that was made."""

    def __init__(self, sentence: str, kept: Path | None = None) -> None:
        super().__init__(sentence)
        self.kept = kept


Replaces = Callable[[Path], bool]  # whether what stands there may go


@contextlib.contextmanager
def file(path: str | Path, replaces: Replaces | None = None) -> Iterator[Path]:
    """Yields a partial name to write to; publishes it under `path` when the block ends well.

    What has the name then goes if `replaces` says so of it, at that moment; without `replaces` any file does. Where it
    may not go, the new one gets a name beside it (`NAME-1.mp4`), and `Taken` is raised.
    """
    path = _target(path, stat.S_ISREG)
    make_folder(path.parent)
    with _partial(path) as partial:
        yield partial
        sync(partial)
        if replaces is None:
            os.replace(partial, path)
        else:
            _put(partial, path, replaces)
        sync(path.parent)


@contextlib.contextmanager
def folder(path: str | Path, replaces: Replaces | None = None) -> Iterator[Path]:
    """Yields a new empty folder; publishes it, with a manifest, in place of `path` when the block ends well.

    `replaces` is as in `file`.
    """
    path = _target(path, stat.S_ISDIR)
    make_folder(path.parent)
    with _partial(path) as partial:
        partial.mkdir()
        yield partial
        _write_manifest(partial)
        for name in files_in(partial):
            sync(partial / name)
        for inner in [partial, *(p for p in partial.rglob("*") if p.is_dir())]:
            sync(inner)
        if replaces is None:
            _move(partial, path)
        else:
            _put(partial, path, replaces)
        sync(path.parent)


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


def try_out(parent: Path) -> None:
    """Raises the `OSError` that writing into a folder would raise; leaves nothing."""
    with _partial(parent / "try") as partial:
        partial.touch()


def kind(mode: int) -> str:
    """What a file's mode says that it is, in words."""
    return next((name for is_kind, name in _KINDS.items() if is_kind(mode)), "a special file")


_KINDS: dict[Callable[[int], bool], str] = {
    stat.S_ISREG: "a file",
    stat.S_ISDIR: "a folder",
    stat.S_ISLNK: "a link that leads in a circle",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISBLK: "a device",
    stat.S_ISCHR: "a device",
}


def _target(path: str | Path, is_kind: Callable[[int], bool]) -> Path:
    """Where a name leads; refuses what must not be replaced by this kind, whoever asks."""
    path = Path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return path
    if not is_kind(mode):
        raise Taken(f"{path} is {kind(mode)}, which {_KINDS[is_kind]} cannot replace; choose another name")
    return path


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


def make_folder(path: Path) -> None:
    """Makes a folder and its missing parents so that they survive a power cut."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def _alive(process: int) -> bool:
    """Whether another process of this number runs; this one knows its own files (`_writing`)."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _write_manifest(path: Path) -> None:
    listed = {name: {"bytes": (path / name).stat().st_size, "sha256": sha256(path / name)} for name in files_in(path)}
    text = json.dumps({"format_version": FORMAT_VERSION, "files": listed}, indent=2) + "\n"
    (path / MANIFEST).write_text(text)
    sync(path / MANIFEST)


def sync(path: Path) -> None:
    """Waits until what was written to a file, or into a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(partial: Path, path: Path, replaces: Replaces) -> None:
    """Renames to a free name in one step, or swaps names with what may go and looks at that once more."""
    while not _took(partial, path):
        try:
            if replaces(path):
                if not _exchange(partial, path):
                    os.replace(partial, path) if partial.is_file() else _move(partial, path)
                    return
                if replaces(partial):
                    return  # what has the partial name now is removed with it
                _exchange(partial, path)  # another took the name between the look and the swap
        except FileNotFoundError:  # it went by itself: the name may be free now
            continue
        kept = next(one for number in count(1) if _took(partial, one := _beside(path, number)))
        raise Taken(f"{path} was written by somebody else meanwhile and stays: what was made is {kept}", kept)


def _beside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _took(partial: Path, path: Path) -> bool:
    """Renames to a name that nothing has; false where something has it."""
    try:
        if _renameat2(partial, path, _NOREPLACE):
            return True
        if not partial.is_dir():
            os.link(partial, path)
            os.unlink(partial)
            return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):  # a file system without hard links
            raise
    if os.path.lexists(path):
        return False
    os.rename(partial, path)
    return True


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
    """Two names change places; false where the system or its file system cannot do that."""
    return _renameat2(one, other, _EXCHANGE)


_NOREPLACE, _EXCHANGE = 1, 2


def _renameat2(one: Path, other: Path, flags: int) -> bool:
    """Linux's renameat2; false where the system or its file system has none."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    current_folder = -100
    if call(current_folder, os.fsencode(one), current_folder, os.fsencode(other), flags) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(other))

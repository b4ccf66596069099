"""Locks that end with their process: whoever is killed leaves nothing that anybody would have to clear up.

A lock is of one open file (flock), so that threads of one process keep each other out too. Where the system or the
file system has none, work goes on without.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_NONE_HERE = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF)


class Held(ValueError):
    """Somebody else has the lock; `holder` is the number of their process, where it is known."""

    def __init__(self, path: Path, holder: int | None) -> None:
        super().__init__(f"{path} is held by " + ("another process" if holder is None else f"process {holder}"))
        self.holder = holder


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Waits until nobody else is inside for this folder, which must be there. Nothing is written into it."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Has the lock file `path`, or raises `Held` at once. It holds the number of the process, and goes in the end.

    The folder around it must be there.
    """
    if sys.platform == "win32":
        yield
        return
    descriptor = _taken(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is let go of: whoever opened it meanwhile sees that it is gone
        os.close(descriptor)


def _taken(path: Path) -> int:
    """A descriptor that has the lock of the file that stands under this name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor
        except BlockingIOError:
            text = os.pread(descriptor, 32, 0)
            os.close(descriptor)
            raise Held(path, int(text) if text.isdigit() else None) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was taken away before it was ours


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _flock(descriptor: int, how: int) -> None:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NONE_HERE:
            raise

"""Files of strangers: read as plain files alone and no larger than they may be, and JSON that is no more than it says.

A name may stand for a pipe that nobody fills, a device without end, a link to somewhere else or a folder; a small file
may claim to be large, and a large one hold nothing. All of that shows before a byte is kept.
Exceptions: `Unreadable` (a `ValueError`) for what is no such file, `OSError` for one that cannot be opened.
"""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEXT = 1 << 20  # bytes of a file of settings or of words
TABLE = 1 << 25  # bytes of a file with a line for each of many things
_CHUNK = 1 << 20
_HOLES = 1 << 30  # bytes from which on a file may not be made of holes


class Unreadable(ValueError):
    """A file that is none, or that is larger than it may be; `reason` is the sentence without the path."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{path} {reason}")


@contextlib.contextmanager
def opened(path: str | Path, most: int | None = None, *, follow: bool = True) -> Iterator[int]:
    """The descriptor of a plain file, to read; never waits for a pipe. `most` are the bytes that it may have."""
    descriptor = open_plain(path, most, follow=follow)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_plain(path: str | Path, most: int | None = None, *, follow: bool = True) -> int:
    """The same without an end: whoever calls it closes the descriptor."""
    waits = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, os.O_RDONLY | waits | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unreadable(path, "is a link: put the file itself in its place") from None
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise Unreadable(path, "is no plain file (a socket or a device): give a file") from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(path, f"is no plain file ({_kind(status.st_mode)}): give a file")
        if most is not None and status.st_size > most:
            raise Unreadable(path, f"must have at most {most:,} bytes, has {status.st_size:,}")
        if status.st_size > _HOLES and 4 * 512 * getattr(status, "st_blocks", status.st_size) < status.st_size:
            raise Unreadable(path, f"is made of holes: {status.st_size:,} bytes, of which nearly none are on the disk")
    except Unreadable:
        os.close(descriptor)
        raise
    return descriptor


def read(path: str | Path, most: int = TEXT, *, follow: bool = True) -> bytes:
    """All bytes of a plain file of at most `most`."""
    with opened(path, most, follow=follow) as descriptor:
        return read_all(descriptor, path, most)


def read_all(descriptor: int, path: str | Path, most: int) -> bytes:
    """What is left to read, at most `most` bytes: a file may grow while it is read."""
    parts, size = [], 0
    while part := os.read(descriptor, min(_CHUNK, most + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > most:
            raise Unreadable(path, f"must have at most {most:,} bytes, has more")
    return b"".join(parts)


def read_json(path: str | Path, most: int = TEXT, *, follow: bool = True) -> Any:
    """The value in a JSON file; see `parse`."""
    return parse(read(path, most, follow=follow))


def parse(text: str | bytes) -> Any:
    """The value of a JSON text, which must be what every reader makes of it: a `ValueError` says what it is not.

    Refused are a name that an object has twice, numbers that are not finite or of more digits than anybody needs, and
    arrays and objects within one another without end.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_float, parse_int=_int)
    except RecursionError:
        raise ValueError("must not be nested that deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"must name everything once, has {twice[:40]!r} twice")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"must hold finite numbers, has {name}")


def _float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _no_number(digits[:40])


def _int(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"must hold numbers of at most {_DIGITS} digits, has one of {len(digits)}")
    return int(digits)


def _kind(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISDIR: "a folder", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    return next((name for is_it, name in kinds.items() if is_it(mode)), "a socket or a device")


_DIGITS = 100

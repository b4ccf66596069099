"""The cache: one folder for all that is made once and read often, of a bounded size, shared by whoever runs.

Decoded frames (`cache.py`) and shards of prepared clips (`shards.py`) lie in it. What was used longest ago goes first;
what this process holds, or anybody has used in the last minutes, stays.
"""

import contextlib
import errno
import math
import os
import re
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framefall import publish

if sys.platform != "win32":
    import fcntl

RESERVE = 1 << 28  # bytes that must stay free on the cache's disk
IN_USE = 600.0  # seconds: what was used since then is somebody's
DEFAULT_GB = 20.0
MORE = "allow more with --set data.cache_gb=... or $FRAMEFALL_CACHE_GB"  # what to do when it is full
SHARDS = "shards"  # the folder of prepared clips, by key
_USED = "used"  # whose time of change says when the folder around it was last used
_ARRAY = re.compile(r"[0-9a-f]{64}\.npy")  # whatever else lies there is somebody's own, and never makes room


class CacheError(RuntimeError):
    """The cache cannot hold what must be in it: says which folder, why, and what to do."""


def root(chosen: str | Path | None = None) -> Path:
    """The cache's folder: the chosen one, `$FRAMEFALL_CACHE`, or `~/.cache/framefall`."""
    return Path(chosen or os.environ.get("FRAMEFALL_CACHE") or Path.home() / ".cache" / "framefall")


def limit(gigabytes: float | None = None) -> int | None:
    """Bytes that all of the cache may take: the given, `$FRAMEFALL_CACHE_GB`, or 20 GB; None is no limit."""
    said = os.environ.get("FRAMEFALL_CACHE_GB")
    if gigabytes is None and said:
        try:
            gigabytes = float(said)
        except ValueError:
            raise ValueError(f"FRAMEFALL_CACHE_GB must be a number of gigabytes, got {said!r}; try 20") from None
    gigabytes = DEFAULT_GB if gigabytes is None else gigabytes
    return None if math.isinf(gigabytes) else round(gigabytes * 1e9)


@dataclass(frozen=True)
class Store:
    """A cache's folder and how large it may become. Small and picklable."""

    root: Path
    limit: int | None = None  # bytes; None: as large as the disk

    @contextlib.contextmanager
    def writing(self, path: Path) -> Iterator[Path]:
        """A partial name to write to; published under `path` when the block ends well, or a `CacheError`."""
        try:
            with publish.file(path) as partial:
                yield partial
        except OSError as error:
            raise unusable(self.root, error) from error

    def has_room(self, needed: int) -> bool:
        """Whether so many more bytes fit; what nobody uses is removed for them, the longest unused first."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.root).free < needed + RESERVE:
                self._remove(needed + RESERVE - shutil.disk_usage(self.root).free)
                if shutil.disk_usage(self.root).free < needed + RESERVE:
                    return False
        except OSError as error:
            raise unusable(self.root, error) from error
        if self.limit is None:
            return True
        excess = self.size + needed - self.limit
        if excess > 0 and needed <= self.limit:
            excess -= self._remove(excess)
        return excess <= 0

    def full(self, what: str) -> str:
        """The beginning of a sentence: there is no room for something."""
        allowed = "its disk is full" if self.limit is None else f"it may hold {self.limit / 1e9:g} GB"
        return f"the cache {self.root} has no room for {what} ({allowed})"

    def sweep(self) -> None:
        """Removes what killed writers left, wherever in here they wrote."""
        for folder in (
            self.root,
            *(one for one in (*_listed(self.root), *_listed(self.root / SHARDS)) if one.is_dir()),
        ):
            publish.sweep(folder)

    @property
    def size(self) -> int:
        """Bytes of all that is kept here."""
        return sum(size for _, size, _ in self._entries())

    def _entries(self) -> list[tuple[float, int, tuple[Path, ...]]]:
        """When each was last used, its size, and its files: an array of frames with its record, or a shard."""
        found = []
        for path in _listed(self.root):
            if _ARRAY.fullmatch(path.name):
                files = tuple(one for one in (path.with_suffix(".json"), path) if one.exists())
                found.append((_changed(files[0]) if files else 0.0, sum(map(_size, files)), files))
        for folder in _listed(self.root / SHARDS):
            used = _changed(folder / _USED)
            found += [(used, _size(path), (path,)) for path in _listed(folder) if path.suffix == ".records"]
        return found

    def _remove(self, excess: int) -> int:
        """Removes what nobody uses until `excess` bytes are gone, or nothing is left to remove; gives the bytes."""
        gone, old = 0, time.time() - IN_USE
        for used, size, files in sorted(self._entries(), key=lambda entry: entry[0]):
            if gone >= excess:
                break
            if used > old or any(_HELD[file] or _HELD[file.parent] for file in files):
                continue
            for file in files:  # the record before its array: an array alone counts for nothing
                with contextlib.suppress(OSError):
                    file.unlink()
            gone += size
        for folder in _listed(self.root / SHARDS):
            if not _HELD[folder] and _changed(folder / _USED) <= old and _names(folder) <= {_USED}:
                with contextlib.suppress(OSError):
                    (folder / _USED).unlink(missing_ok=True)
                    folder.rmdir()
        return gone

    @contextlib.contextmanager
    def only_one(self, name: str) -> Iterator[None]:
        """Waits until no other process makes what has this name (hexadecimal digits); a lock ends with its process."""
        if sys.platform == "win32":  # no such locks: whoever comes second makes the same once more
            yield
            return
        place = int(name[:14], 16)
        try:
            lock = _lock(self.root)
            while not _try(lock, place):
                time.sleep(0.02)
        except OSError as error:
            raise unusable(self.root, error) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.lockf(lock, fcntl.LOCK_UN, 1, place)


def hold(path: Path) -> None:
    """Keeps an entry from being removed by this process, until `release`."""
    _HELD[path] += 1
    touch(path)


def release(path: Path) -> None:
    """The entry is no longer needed here."""
    _HELD[path] -= 1


def touch(path: Path) -> None:
    """Says that an entry (a file, or a folder of shards) is in use; on disk every two minutes at most."""
    now = time.monotonic()
    if now - _TOUCHED.get(path, -_OFTEN) >= _OFTEN:
        _TOUCHED[path] = now
        target = path / _USED if path.suffix == "" else path
        with contextlib.suppress(OSError):  # a cache that can only be read is used all the same
            if path.suffix == "" and not target.exists():
                path.mkdir(parents=True, exist_ok=True)
                target.touch()
            os.utime(target)


def unusable(folder: Path, error: OSError) -> CacheError:
    """What went wrong with the cache, in a sentence."""
    reason = error.strerror or str(error) or type(error).__name__
    return CacheError(
        f"the cache {folder} must be a folder with room that this user may write to, got: {reason};"
        " choose another with $FRAMEFALL_CACHE or --set data.cache=FOLDER, or make room there"
    )


_OFTEN = 120.0  # seconds between two marks of use
_HELD: Counter[Path] = Counter()
_TOUCHED: dict[Path, float] = {}
_LOCKS: dict[Path, int] = {}
_guard = threading.Lock()


def _lock(folder: Path) -> int:
    """The file of locks, opened once a process: closing it would give up the locks of all threads."""
    with _guard:
        if folder not in _LOCKS:
            folder.mkdir(parents=True, exist_ok=True)
            _LOCKS[folder] = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return _LOCKS[folder]


def _try(lock: int, place: int) -> bool:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL):  # no locks here: go without
            raise
    return True


def _listed(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder)]
    except OSError:
        return []


def _names(folder: Path) -> set[str]:
    return {path.name for path in _listed(folder)}


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0

"""Files of a source decoded into the cache, each by itself: by threads of this process, or elsewhere."""

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from framefall.data.cached import cache
from framefall.data.cached.cache import Entry
from framefall.data.cached.store import CacheError, Store
from framefall.data.media.decode import DecodeError
from framefall.data.origin import Settings, content_hash
from framefall.data.remote.place import Place
from framefall.data.remote.tree import SourceError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Undecoded:
    """A file or a folder of frames."""

    place: Path | Place
    content: str = ""  # SHA-256 of what it holds, where that is known without reading it


@dataclass(frozen=True)
class Decoded:
    """Its entry in the cache."""

    content: str  # SHA-256 of what it holds
    entry: Entry


class Turns:
    """A lock for each name, for threads of one process: the store's locks are of processes."""

    def __init__(self) -> None:
        self._guard, self._locks = threading.Lock(), dict[str, threading.Lock]()

    def __call__(self, name: str) -> threading.Lock:
        """The lock of a name."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())


def decode(
    store: Store,
    settings: Settings,
    file: Undecoded,
    turn: Callable[[str], AbstractContextManager[object]] = contextlib.nullcontext,
) -> Decoded | str:
    """A file's entry, or why it cannot be used. Two copies of one file are decoded once.

    Raises `CacheError` and `SourceError`: without a place for its frames, or its bytes, there is no going on.
    """

    def read(here: Path) -> Decoded:
        content = content_hash(here)
        with turn(content):
            return Decoded(content, cache.entry(store, file.place, content, settings, here))

    try:
        if isinstance(file.place, Path):
            return read(file.place)
        if file.content and (kept := cache.found(store, file.place, file.content, settings)):
            return Decoded(file.content, kept)
        with file.place.here(store.root) as here:
            return read(here)
    except DecodeError as error:
        return str(error.reason)
    except (CacheError, SourceError):
        raise
    except OSError as error:
        return _plain(file.place, error)
    except Exception as error:  # one odd file must not cost the others, whatever it found
        return f"it cannot be used ({type(error).__name__}: {' '.join(str(error).split())[:120]})"


def in_threads(function: Callable[[Item], Result], items: Sequence[Item], /) -> Generator[Result, None, None]:
    """The results of a function for every item, in their order, by a few threads (`progress.Each`)."""
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _plain(source: Path | Place, error: OSError) -> str:
    with contextlib.suppress(OSError):
        if isinstance(source, Path) and source.is_symlink() and not source.exists():
            return "it is a link to nothing"
    if isinstance(error, PermissionError) and error.filename and Path(error.filename) == source:
        return "this user may not read it"
    return " ".join(str(error.strerror or error).split())

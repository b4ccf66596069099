"""Decoded frames on disk, found again by the content they came from.

An entry is `KEY.npy` (uint8 [frames, height, width, channels]) and `KEY.json`, written last, with a checksum of itself
and of every frame: an entry without it, or that does not check, is decoded again, also when that shows while it is
read. KEY is the SHA-256 of the file's bytes, the settings and the version of this format. Frames that the cache has no
room for are decoded whenever they are needed.
"""

import contextlib
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framefall.data.cached import npy
from framefall.data.cached.store import CacheError, Store, hold, touch
from framefall.data.media.decode import DecodeError
from framefall.data.origin import Origin, Plan, Settings, content_hash, walk
from framefall.data.remote.place import Place

VERSION = 2


class _Damaged(Exception):
    """A frame is not what was written."""


@dataclass(frozen=True)
class Entry:
    """One decoded source."""

    file: Path
    offset: int  # bytes before the first frame
    shape: tuple[int, int, int, int]  # frames, height, width, channels
    fps: float
    starts: tuple[int, ...]  # the first frame of each shot
    sources: tuple[int, ...]  # each kept frame's number in the source, for numbers that come one a frame
    source_frames: int
    notes: tuple[str, ...]
    checksums: tuple[int, ...]  # CRC-32 of each frame
    store: Store
    origin: Origin
    kept: bool = True  # whether there was room for the frames

    def read(self, frames: Sequence[int]) -> np.ndarray:
        """Some frames, uint8 [frames, height, width, channels], as they were decoded, or a `CacheError`.

        What is damaged or gone is decoded again. Read and not mapped: a file may shrink meanwhile.
        """
        for frame in frames:
            if not 0 <= frame < self.shape[0]:
                raise ValueError(f"frame must be 0 to {self.shape[0] - 1}, got {frame}")
        if self.kept:
            touch(self.file.with_suffix(".json"))
            for attempt in range(2):
                if (found := self._read(frames)) is not None:
                    return found
                if attempt == 0 and not self._decode_again():
                    break
        return self._decoded(frames)

    def _read(self, frames: Iterable[int]) -> np.ndarray | None:
        """The frames from the cache; None if any does not check."""
        try:
            return np.stack(list(self._checked(frames)))
        except (OSError, _Damaged):
            return None

    def _checked(self, frames: Iterable[int]) -> Iterator[np.ndarray]:
        with open(self.file, "rb", buffering=0) as stream:
            for frame in frames:
                pixels = np.empty(self.shape[1:], np.uint8)
                row = pixels.reshape(-1).data
                stream.seek(self.offset + frame * pixels.nbytes)
                if stream.readinto(row) != pixels.nbytes or zlib.crc32(row) != self.checksums[frame]:
                    raise _Damaged
                yield pixels

    def _is_whole(self) -> bool:
        try:
            for _ in self._checked(range(self.shape[0])):
                pass
        except (OSError, _Damaged):
            return False
        return True

    def _decode_again(self) -> bool:
        """Puts the entry back in its place; false when the cache has no room for it, or can no longer be written."""
        with self._here() as here:
            try:
                same = content_hash(here) == self.origin.content
            except (OSError, DecodeError):
                raise CacheError(self._gone("is not there any more")) from None
            if not same:
                raise CacheError(self._gone("has changed"))
            with contextlib.suppress(CacheError), self.store.only_one(self.file.stem):
                found = _load(self.file.with_suffix(""), self.store, self.origin)
                if found is not None and found._is_whole():
                    return True  # another process was faster
                return _make(self.file.with_suffix(""), self.store, self.origin, here).kept
        return False

    @contextlib.contextmanager
    def _here(self) -> Iterator[Path]:
        """The source as a file of this machine; a `CacheError` where it cannot be had."""
        with contextlib.ExitStack() as stack:
            try:
                here = stack.enter_context(self.origin.here(self.store.root))
            except (OSError, ValueError) as error:
                raise CacheError(self._gone(f"cannot be had ({error})")) from None
            yield here

    def _decoded(self, frames: Sequence[int]) -> np.ndarray:
        """The frames straight from the source."""
        found: dict[int, np.ndarray] = {}
        try:
            with self._here() as here:
                for number, (frame, _) in enumerate(Plan.of(here, self.origin.settings).frames()):
                    if number in frames:
                        found[number] = np.ascontiguousarray(frame.pixels)
                        if len(found) == len(set(frames)):
                            break
        except DecodeError as error:
            raise CacheError(self._gone(f"cannot be read ({error.reason})")) from None
        if any(number not in found or zlib.crc32(found[number].data) != self.checksums[number] for number in frames):
            raise CacheError(self._gone("does not give the same frames again"))
        return np.stack([found[number] for number in frames])

    def _gone(self, how: str) -> str:
        return (
            f"decoded frames in the cache {self.store.root} are damaged or gone, and {self.origin.path}, which they"
            f" came from, {how}: put it back, or begin again from the videos that are there"
        )


def entry(store: Store, source: Path | Place, content: str, settings: Settings, here: Path | None = None) -> Entry:
    """The decoded source, from the cache if it is there; raises `DecodeError`, or `CacheError`.

    Of several processes that want it one decodes, and the others wait for it. `here` is where a source of another
    machine has been copied to.
    """
    name, origin = _name(content, settings), Origin(source, content, settings)
    path = store.root / name
    made = _load(path, store, origin)
    if made is None:
        with store.only_one(name), contextlib.ExitStack() as stack:
            made = _load(path, store, origin)
            if made is None:
                local = here or stack.enter_context(origin.here(store.root))
                made = _make(path, store, origin, local)
    return _held(made)


def found(store: Store, source: Path | Place, content: str, settings: Settings) -> Entry | None:
    """The decoded source if it is in the cache."""
    made = _load(store.root / _name(content, settings), store, Origin(source, content, settings))
    return None if made is None else _held(made)


def _name(content: str, settings: Settings) -> str:
    return hashlib.sha256(json.dumps([content, asdict(settings), VERSION]).encode()).hexdigest()


def _held(made: Entry) -> Entry:
    if made.kept:
        hold(made.file.with_suffix(".json"))
    return made


def _load(path: Path, store: Store, origin: Origin) -> Entry | None:
    array, record = path.with_suffix(".npy"), path.with_suffix(".json")
    try:
        values = json.loads(record.read_bytes())
        if values.pop("checksum") != _checksum(values):
            return None
        shape, offset = npy.frame_offset(array)
        whole = array.stat().st_size == offset + int(np.prod(shape)) and list(shape) == values["shape"]
        return _entry(array, offset, values, store, origin) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _make(path: Path, store: Store, origin: Origin, here: Path) -> Entry:
    plan = Plan.of(here, origin.settings)
    array = path.with_suffix(".npy")
    if not store.has_room(plan.nbytes):
        return _entry(array, 0, walk(plan, None), store, origin, kept=False)
    with store.writing(array) as partial, npy.frame_file(partial) as file:
        values = walk(plan, file)
    with store.writing(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps({**values, "checksum": _checksum(values)}))
    return _entry(array, npy.frame_offset(array)[1], values, store, origin)


def _checksum(values: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def _entry(array: Path, offset: int, values: dict[str, Any], store: Store, origin: Origin, kept: bool = True) -> Entry:
    frames, height, width, channels = map(int, values["shape"])
    return Entry(
        file=array,
        offset=offset,
        shape=(frames, height, width, channels),
        fps=float(values["fps"]),
        starts=tuple(map(int, values["starts"])),
        sources=tuple(map(int, values["sources"])),
        source_frames=int(values["source_frames"]),
        notes=tuple(map(str, values["notes"])),
        checksums=tuple(map(int, values["checksums"])),
        store=store,
        origin=origin,
        kept=kept,
    )

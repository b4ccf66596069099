"""Prepared clips on disk: as the network reads them, with the states of their captions, some hundreds a file.

A stream of numbered examples is cut into shards by number; each is one file of checked records (`records.py`), named by
all that decides on what is in it, so that it is found again by any run over the same data. Which process made it, and
when, changes no bit.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from framefall.data.cached import records
from framefall.data.cached.store import SHARDS, Store
from framefall.data.clip import Clip

VERSION = 1
LARGEST = 256  # clips of a shard
BYTES = 1 << 24  # of a shard, about: fewer clips of a larger kind
_STATES = 16_384  # bytes of a caption's states, about


@runtime_checkable
class Numbered(Protocol):
    """A stream of finitely many distinct examples: an endless sequence of them, each a function of its number."""

    @property
    def examples(self) -> int:
        """How many distinct ones."""
        ...

    @property
    def fingerprint(self) -> str:
        """Two streams with the same one have the same examples."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of an example's pixels."""
        ...

    def number(self, position: int) -> int:
        """The example at a position of the endless sequence."""
        ...

    def in_order(self, position: int) -> bool:
        """Whether the sequence walks through the numbers one by one there."""
        ...

    def example(self, number: int) -> Clip:
        """One example."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """What makes token states of captions: a text encoder that the data know nothing about."""

    @property
    def name(self) -> str:
        """Two encoders with the same one give the same states."""
        ...

    def __call__(self, captions: Sequence[str]) -> list[Tensor]:
        """States of each caption, bfloat16 [tokens, features]; they do not depend on the other captions."""
        ...


class Stopped(Exception):
    """Whoever wanted the shard is gone."""


@dataclass(frozen=True)
class Shards:
    """The shards of a stream in a store. Small and picklable."""

    stream: Numbered
    store: Store
    encoder: Encoder | None = None  # None: no states are kept
    largest: int = LARGEST  # clips of a shard

    @cached_property  # a world's fingerprint draws scenes
    def key(self) -> str:
        """Names all that decides on what the shards hold."""
        told = None if self.encoder is None else self.encoder.name
        known = [VERSION, self.stream.fingerprint, self.stream.examples, told, self.each]
        return hashlib.blake2b(json.dumps(known).encode(), digest_size=16).hexdigest()

    @property
    def each(self) -> int:
        """Clips of a shard."""
        return int(min(self.largest, max(8, BYTES // (self.stream.nbytes + _STATES)), self.stream.examples))

    @property
    def count(self) -> int:
        """How many shards there are when all are made."""
        return -(-self.stream.examples // self.each)

    @property
    def nbytes(self) -> int:
        """Of all of them, about."""
        return self.stream.examples * (self.stream.nbytes + (_STATES if self.encoder else 0))

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.store.root / SHARDS / self.key

    def path(self, shard: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{shard:06d}.records"

    def numbers(self, shard: int) -> range:
        """The examples of a shard."""
        return range(shard * self.each, min((shard + 1) * self.each, self.stream.examples))

    def read(self, number: int) -> Clip:
        """One example as it was kept; raises `FileNotFoundError`, or `Damaged`."""
        shard, place = divmod(number, self.each)
        return _clip(records.read(self.path(shard), f"{self.key}/{shard}", place))

    def fresh(self, numbers: Sequence[int], go_on: Callable[[], bool] | None = None) -> list[Clip]:
        """Examples made now, with the states of their captions."""
        clips = []
        for number in numbers:
            if go_on is not None and not go_on():
                raise Stopped
            clips.append(self.stream.example(number))
        return clips if self.encoder is None else described(clips, self.encoder)

    def keep(self, shard: int, clips: Mapping[int, Clip]) -> bool:
        """Publishes a shard of all its clips; false when the store has no room for it. Raises `CacheError`."""
        kept = [_record(clips[number]) for number in self.numbers(shard)]
        if not self.store.has_room(sum(map(len, kept))):
            return False
        with self.store.writing(self.path(shard)) as partial:
            records.write(partial, f"{self.key}/{shard}", kept)
        return True

    def make(self, shard: int, go_on: Callable[[], bool] | None = None) -> bool:
        """Sees to it that a shard is there and whole; false when the store has no room for it. Raises `CacheError`.

        What of it is there already is kept; of several processes that want it one makes it, and the others wait.
        """
        with self.store.only_one(self.lock(shard)):
            found = dict(self._whole(shard))
            missing = [number for number in self.numbers(shard) if number not in found]
            if not missing:
                return True
            if not found and not self.store.has_room(len(missing) * (self.stream.nbytes + _STATES)):
                return False
            found |= zip(missing, self.fresh(missing, go_on), strict=True)
            return self.keep(shard, found)

    def lock(self, shard: int) -> str:
        """The name under which one process makes a shard."""
        return hashlib.blake2b(f"{self.key}/{shard}".encode(), digest_size=7).hexdigest()

    def _whole(self, shard: int) -> Iterator[tuple[int, Clip]]:
        for number in self.numbers(shard):
            with contextlib.suppress(records.Damaged, OSError):
                yield number, self.read(number)


def described(clips: Sequence[Clip], encoder: Encoder) -> list[Clip]:
    """The clips with the states of their captions, all encoded together."""
    captions = sorted({clip.caption for clip in clips if clip.caption})
    states = dict(zip(captions, encoder(captions), strict=True)) if captions else {}
    return [replace(clip, states=states.get(clip.caption or "")) for clip in clips]


def _record(clip: Clip) -> bytes:
    arrays = {"pixels": clip.pixels}
    if clip.numbers is not None:
        arrays["numbers"] = clip.numbers
    if clip.states is not None:
        arrays["states"] = clip.states.contiguous().view(torch.int16).numpy()  # numpy knows no bfloat16
    return records.pack({"fps": clip.fps, "key": clip.key, "caption": clip.caption}, arrays)


def _clip(record: bytes) -> Clip:
    values, arrays = records.unpack(record)
    states = arrays.get("states")
    return Clip(
        arrays["pixels"],
        values["caption"],
        arrays.get("numbers"),
        values["fps"],
        values["key"],
        states=None if states is None else torch.from_numpy(states).view(torch.bfloat16),
    )

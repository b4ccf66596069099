"""A stream of numbered examples read from shards, which come to be while it is read.

While the sequence walks through the numbers, clips are made in growing parts and kept as soon as a shard is complete;
with workers, other processes make the next shards meanwhile. What is missing, damaged or has no room is made as it is
needed: the clips are the same in every case.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from framefall.data.cached.records import Damaged
from framefall.data.cached.shards import Shards
from framefall.data.cached.store import MORE, CacheError, hold, release, touch
from framefall.data.clip import Clip

_PART = 256  # clips that are made at once, at most: their captions are encoded together

Say = Callable[[str], object]


@runtime_checkable
class Makers(Protocol):
    """Processes that make shards ahead of need (`ahead.py`)."""

    def want(self, shards: Shards, shard: int) -> None:
        """Begins with a shard as soon as a process is free; nothing if it was asked for before."""
        ...

    def finished(self, shards: Shards, shard: int) -> bool | None:
        """Waits for a shard that was asked for: whether it could be kept; None where nobody was asked."""
        ...


class Kept:
    """Reads a stream's clips from its shards, and makes and keeps those that are not there."""

    def __init__(
        self,
        shards: Shards,
        say: Say,
        makers: Makers | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        ahead: int = 2,  # shards beyond the one that is read
    ) -> None:
        self.shards, self._say, self._makers = shards, say, makers
        self._rank, self._world_size, self._ahead = rank, world_size, ahead
        self._part = 1
        self._gathered: dict[int, Clip] = {}  # of one shard, while it is not complete
        self.keeps = True  # until there is no room
        hold(shards.folder)
        shards.store.sweep()

    def close(self) -> None:
        """Lets go of the shards."""
        release(self.shards.folder)

    def clips(self, positions: Sequence[int]) -> list[Clip]:
        """The clips at these positions of the endless sequence."""
        touch(self.shards.folder)
        stream = self.shards.stream
        numbers = [stream.number(position) for position in positions]
        walks = stream.in_order(positions[0]) and stream.in_order(positions[-1])
        if walks and self._makers and self.keeps:
            self._order_ahead(self._makers, max(numbers))
        found: dict[int, Clip] = {}
        for number in numbers:
            if number not in found and (clip := self._kept(number)) is not None:
                found[number] = clip
        if missing := sorted({*numbers} - found.keys()):
            found |= self._made(missing, walks)
        return [found[number] for number in numbers]

    def _order_ahead(self, makers: Makers, furthest: int) -> None:
        current = furthest // self.shards.each
        for shard in range(current + 1, min(current + 1 + self._ahead, self.shards.count)):
            if shard % self._world_size == self._rank and not self.shards.path(shard).exists():
                makers.want(self.shards, shard)

    def _kept(self, number: int) -> Clip | None:
        """A clip that was made before; None if it has to be made."""
        if number in self._gathered:
            return self._gathered[number]
        shard = number // self.shards.each
        for attempt in range(2):
            try:
                return self.shards.read(number)
            except OSError:
                asked = None if attempt or self._makers is None else self._makers.finished(self.shards, shard)
                if asked is not True:
                    if asked is False:
                        self._stop_keeping(self._full())
                    return None
            except Damaged as damage:
                self._say(f"{damage}: what does not check is made again")
                if not self._make(shard):
                    return None
        return None

    def _made(self, missing: Sequence[int], walks: bool) -> dict[int, Clip]:
        """Clips that are not there, made now; kept if they complete a shard."""
        if not self.keeps or (walks and self._world_size > 1):  # a rank alone completes no shard
            return dict(zip(missing, self.shards.fresh(missing), strict=True))
        found: dict[int, Clip] = {}
        for shard in dict.fromkeys(number // self.shards.each for number in missing):
            inside = [number for number in missing if number // self.shards.each == shard]
            if walks:
                found |= self._gather(shard, inside)
            elif self._make(shard):
                found |= {number: clip for number in inside if (clip := self._kept(number)) is not None}
        rest = [number for number in missing if number not in found]
        return found | dict(zip(rest, self.shards.fresh(rest), strict=True))

    def _gather(self, shard: int, missing: Sequence[int]) -> dict[int, Clip]:
        """The missing clips and as many of those after them as have been made before; a complete shard is kept."""
        numbers = self.shards.numbers(shard)
        self._gathered = {number: clip for number, clip in self._gathered.items() if number in numbers}
        self._part = min(_PART, max(2 * self._part, len(missing)))
        further = range(missing[-1] + 1, min(numbers.stop, missing[0] + self._part))
        wanted = [*missing, *(number for number in further if number not in self._gathered)]
        self._gathered |= zip(wanted, self.shards.fresh(wanted), strict=True)
        found = {number: self._gathered[number] for number in missing}
        if missing[-1] == numbers[-1] or len(self._gathered) == len(numbers):
            self._complete(shard)
        return found

    def _complete(self, shard: int) -> None:
        """Keeps the shard that was gathered; what of it an earlier session has made and lost is made again."""
        numbers = self.shards.numbers(shard)
        lost = [number for number in numbers if number not in self._gathered]
        if 2 * len(lost) > len(numbers):  # begun in its second half: it is made when it is needed
            return
        clips = self._gathered | dict(zip(lost, self.shards.fresh(lost), strict=True))
        if self._trying(lambda: self.shards.path(shard).exists() or self.shards.keep(shard, clips)):
            self._gathered = {}

    def _make(self, shard: int) -> bool:
        return self.keeps and self._trying(lambda: self.shards.make(shard))

    def _trying(self, keep: Callable[[], bool]) -> bool:
        """Whether something could be kept; the first time that it could not is said, and nothing is tried again."""
        try:
            if keep():
                return True
            self._stop_keeping(self._full())
        except CacheError as error:
            self._stop_keeping(f"clips are made as they are needed: {error}")
        return False

    def _full(self) -> str:
        what = self.shards.store.full("more clips")
        return f"{what}: the others are made as they are needed; {MORE}, or take fewer data.looks"

    def _stop_keeping(self, why: str) -> None:
        if self.keeps:
            self.keeps, self._gathered = False, {}
            self._say(why)

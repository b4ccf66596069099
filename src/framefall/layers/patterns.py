"""Which frames a frame sees: sparse patterns along time as data, and what follows from them.

A pattern is a set of offsets relative to the frame itself, the same for every frame of a clip, and a number
of anchors: first frames of the clip that every frame sees. Attention over one costs a clip's length times the
frames seen, not its square. From the one table follow the dense mask and the layout of blocks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor

AttentionMask = Bool[Tensor, "*blocks queries keys"]  # True: this query sees this key


@dataclass(frozen=True)
class Pattern:
    """The frames that a frame sees; a clip's ends cut what lies outside."""

    offsets: tuple[int, ...] = (0,)  # relative to the frame itself, which is among them; rising
    anchors: int = 0  # this many first frames of the clip are seen by all
    causal: bool = False  # no frame sees a later one, be it an anchor

    def __post_init__(self) -> None:
        rising = all(one < next_one for one, next_one in pairwise(self.offsets))
        if not rising or 0 not in self.offsets or (self.causal and self.offsets[-1] > 0):
            ahead = " and none be above it" if self.causal else ""
            raise ValueError(f"offsets must rise, 0 be among them{ahead}, got {self.offsets}; try window(4)")
        if self.anchors < 0:
            raise ValueError(f"anchors must be at least 0, got {self.anchors}; try anchors(1)")

    def __or__(self, other: "Pattern") -> "Pattern":
        """What either sees; causal if either is, so that one word makes a whole pattern causal."""
        causal = self.causal or other.causal
        offsets = sorted(set(self.offsets) | set(other.offsets))
        seen = tuple(offset for offset in offsets if offset <= 0 or not causal)
        return Pattern(seen, max(self.anchors, other.anchors), causal)

    @property
    def reach(self) -> int:
        """How many frames back the farthest offset lies."""
        return -self.offsets[0]

    @property
    def ahead(self) -> int:
        """How many frames ahead the farthest offset lies."""
        return self.offsets[-1]

    def sees(self, queries: Int[Tensor, "*blocks queries"], keys: Int[Tensor, "*blocks keys"]) -> AttentionMask:
        """Whether the frames numbered `queries` see those numbered `keys`; a frame before the first is never seen."""
        apart = keys[..., None, :] - queries[..., :, None]
        near = torch.zeros_like(apart, dtype=torch.bool)
        for first, last in _runs(self.offsets):
            near |= (apart >= first) & (apart <= last)
        near |= (keys < self.anchors)[..., None, :]
        near &= (keys >= 0)[..., None, :]
        return near & (apart <= 0) if self.causal else near

    def mask(self, frames: int) -> Bool[Tensor, "frames frames"]:
        """The dense table of a clip of `frames`: for short clips, references and pictures."""
        numbers = torch.arange(frames)
        return self.sees(numbers, numbers)

    def blocks(self, frames: int, size: int | None = None) -> "BlockLayout":
        """The layout for a clip of `frames`, in blocks of `size` neighbouring queries."""
        span = self.ahead + self.reach + 1
        made = _blocks.__wrapped__ if torch.compiler.is_compiling() else _blocks  # a compiler keeps its own
        return made(self, frames, size or min(128, max(16, 1 << (span - 1).bit_length())))


@dataclass(frozen=True, eq=False)
class BlockLayout:
    """Queries in blocks of neighbours, and for each block the keys that any of them sees.

    A block's keys are the anchors and then the runs; the last block is filled up with queries past the end,
    which see everything so that no row is empty.
    """

    size: int  # queries a block
    count: int
    anchors: int  # keys of every block; no run repeats them
    runs: tuple[tuple[int, int], ...]  # first and last key, relative to the block's first query
    mask: Bool[Tensor, "blocks queries keys"]


def window(width: int) -> Pattern:
    """Frames no farther than `width`, before and after."""
    return dilated(width, 1)


def dilated(width: int, step: int) -> Pattern:
    """Every `step`-th frame, `width` of them before and after."""
    if width < 0 or step < 1:
        raise ValueError(f"a window must have a width from 0 and a step from 1, got {width} and {step}; try window(4)")
    return Pattern(tuple(range(-width * step, width * step + 1, step)))


def anchors(count: int) -> Pattern:
    """The first `count` frames of the clip, and the frame itself."""
    return Pattern(anchors=count)


PATTERNS: dict[str, Callable[..., Pattern]] = {"window": window, "dilated": dilated, "anchors": anchors}


def parse(text: str) -> Pattern:
    """The pattern that a line such as `causal+window(4)+anchors(2)` says."""
    pattern = Pattern()
    for word in text.split("+"):
        found = _WORD.fullmatch(word.strip())
        name, numbers = (found["name"], found["numbers"]) if found else (None, None)
        values = [int(number) for number in numbers.split(",")] if numbers else []
        if name == "causal" and numbers is None:
            pattern |= Pattern(causal=True)
        elif name in PATTERNS and len(values) == _ARGUMENTS[name]:
            pattern |= PATTERNS[name](*values)
        else:
            known = "window(w), dilated(w, d), anchors(k) and causal"
            raise ValueError(f"a pattern must be a sum of {known}, got {text!r}; try window(4)+anchors(2)")
    return pattern


_WORD = re.compile(r"(?P<name>[a-z]+)(\((?P<numbers>\s*\d{1,6}\s*(,\s*\d{1,6}\s*)*)\))?")
_ARGUMENTS = {"window": 1, "dilated": 2, "anchors": 1}


def _runs(offsets: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring numbers as pairs of first and last."""
    runs: list[tuple[int, int]] = []
    for offset in offsets:
        if runs and runs[-1][1] == offset - 1:
            runs[-1] = (runs[-1][0], offset)
        else:
            runs.append((offset, offset))
    return runs


@lru_cache(maxsize=64)  # a network asks for the same few again and again
def _blocks(pattern: Pattern, frames: int, size: int) -> BlockLayout:
    size, count = min(size, frames), -(-frames // min(size, frames))
    near = {offset + query for offset in pattern.offsets for query in range(size) if -frames < offset < frames}
    runs = tuple(_runs(tuple(sorted(near))))
    kept = min(pattern.anchors, frames)
    queries = torch.arange(count * size).unflatten(0, (count, size))
    relative = torch.cat([torch.arange(first, last + 1) for first, last in runs])
    local = queries[:, :1] + relative  # blocks keys
    inside = (local >= kept) & (local < frames)
    anchored = torch.arange(kept).expand(count, kept)
    table = pattern.sees(queries, torch.cat((anchored, local), dim=1))
    table &= torch.cat((torch.ones_like(anchored, dtype=torch.bool), inside), dim=1)[:, None]
    table |= (queries >= frames)[..., None]
    return BlockLayout(size, count, kept, runs, table)

"""Counter-based noise: a number depends on what it is for, never on how it was asked for.

The value at (seed, purpose, clip, frame, row, column, channel) is a pure function of those names.
A window, a tile, a batch, a rank or a worker therefore sees exactly its part of one endless field
(Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). The generator is SplitMix64
(Steele et al. 2014), a counter pushed through a 64-bit finaliser; keys come from BLAKE2.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_BLOCK = 1 << 17  # words worked on at a time: few enough for a cache, enough for every core


@dataclass(frozen=True)
class Key:
    """The name of one noise field: what it is for (`purpose`) and whose it is (`clip`)."""

    seed: int
    purpose: str
    clip: str = ""

    def named(self, purpose: str) -> "Key":
        """The same clip's field for a narrower purpose."""
        return Key(self.seed, f"{self.purpose}/{purpose}", self.clip)

    def word(self, *counters: int) -> int:
        """64 bits that name this field at the given counters (a frame, a step, ...)."""
        text = "\x1f".join((str(self.seed), self.purpose, self.clip, *map(str, counters)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def uniform(self, *counters: int) -> float:
        """One number in [0, 1)."""
        return (self.word(*counters) >> 11) * 2.0**-53

    def integer(self, below: int, *counters: int) -> int:
        """One whole number in [0, below)."""
        return int(self.uniform(*counters) * below)

    def gauss(self, *counters: int) -> float:
        """One standard normal number."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform(*counters, 0)))
        return radius * math.cos(2.0 * math.pi * self.uniform(*counters, 1))


def normal_field(key: Key, channels: int, frames: Sequence[int], rows: range, columns: range) -> Tensor:
    """Standard normal noise `[channels, frames, rows, columns]` at absolute frames, rows and columns.

    `frames` may be any frame numbers in any order; `rows` and `columns` are ranges of step 1 and may
    begin below 0 (a halo around the picture has noise of its own). Made on the CPU, so that every device gets the same
    bits; another machine may round the logarithm and the sine otherwise in the last place.
    """
    first, last = rows.start // 2, -(-rows.stop // 2)  # two rows share one 64-bit word
    lines = torch.arange(first, last)[:, None]
    across = torch.arange(columns.start, columns.stop)
    depth = torch.arange(channels)[:, None, None]
    # pairs of rows and columns take 28 and 24 bits (signed), channels 12: no two places share a counter
    place = ((lines << 36) + ((across & 0xFFFFFF) << 12) + depth).mul_(_signed(_GOLDEN))

    out = torch.empty(channels, len(frames), 2 * (last - first), len(columns))
    words = torch.tensor([_signed(key.word(frame)) for frame in frames], dtype=torch.int64)[None, :, None, None]
    line = max(1, channels * len(columns))
    height = max(1, min(last - first, _BLOCK // line))
    at_once = max(1, _BLOCK // (line * height))  # frames
    room = [torch.empty(channels, min(at_once, len(frames)), height, len(columns), dtype=torch.int64) for _ in range(2)]
    for top in range(0, last - first, height):
        block = place[:, None, top : top + height]
        target = out[:, :, 2 * top : 2 * (top + height)].unflatten(2, (-1, 2))
        for begin in range(0, len(frames), at_once):
            word = words[:, begin : begin + at_once]
            bits, spare = (one[:, : word.shape[1], : block.shape[2]] for one in room)
            torch.add(block, word, out=bits)
            _mix_(bits, spare)
            _normal_pairs(bits, spare, target[:, begin : begin + at_once])
    skip = rows.start - 2 * first
    return out[:, :, skip : skip + len(rows)].contiguous()


def normal(keys: Sequence[Key], shape: Sequence[int]) -> Tensor:
    """Noise `[clips, channels, frames, height, width]` from frame 0 on, one key a clip."""
    channels, frames, height, width = shape
    return torch.stack([normal_field(key, channels, range(frames), range(height), range(width)) for key in keys])


def _mix_(z: Tensor, spare: Tensor) -> None:
    """SplitMix64's finaliser, in place; torch's int64 wraps, and `>>` is made logical by a mask."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z.bitwise_xor_(_shifted(z, shift, spare)).mul_(_signed(factor))
    z.bitwise_xor_(_shifted(z, 31, spare))


def _shifted(z: Tensor, shift: int, spare: Tensor) -> Tensor:
    return torch.bitwise_right_shift(z, shift, out=spare).bitwise_and_((1 << (64 - shift)) - 1)


def _normal_pairs(word: Tensor, spare: Tensor, out: Tensor) -> None:
    """Box and Muller (1958): the two halves of each word become two normals, `out[..., pair, column]`."""
    # 24 bits fill a float32; adding one half keeps the logarithm finite
    radius = _shifted(word, 40, spare).float().add_(0.5).mul_(2.0**-24).log_().mul_(-2.0).sqrt_()
    angle = word.bitwise_and_(0xFFFFFF).float().mul_(2.0 * math.pi * 2.0**-24)
    torch.mul(radius, angle.cos(), out=out[..., 0, :])
    torch.mul(radius, angle.sin_(), out=out[..., 1, :])


def _signed(word: int) -> int:
    word &= _MASK
    return word - (1 << 64) if word >> 63 else word

"""What a base that can be told any frames is told of a training clip: some frames, a part of all of them, or nothing.

Every clip draws its own kind, so that one set of weights learns to make clips from nothing but a caption, to go on
before and after given frames, to fill in between, to paint a part anew, and to bear frames that are noisy each in its
own way (Chen et al. 2024, Diffusion Forcing), as they are when a video is made frame after frame.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from framefall import checks
from framefall.diffusion.times import LogitNormal, shifted
from framefall.noise import Key
from framefall.ranges import Scale, Share


@dataclass(frozen=True, kw_only=True)
class KnownShares:
    """How many of the clips are told what; the others nothing, and all their frames have one time."""

    frames: Share = 0.25  # the first ones, the last ones, both ends or scattered ones; one time for the others
    region: Share = 0.1  # of every frame a rectangle is given, or all but a rectangle
    levels: Share = 0.15  # nothing is given, and every frame has a time of its own
    # of the time at which a clip's other frames are learnt: above 1, because given frames leave less to be decided, and
    # that at more noise
    shift: Scale = 1.0
    doubt: Share = 0.0  # of clips with given frames, those whose given frames may err: they are noisy up to `DOUBTED`

    def __post_init__(self) -> None:
        checks.number("shift of known", self.shift, above=0, example=2.2)
        shares = self.frames, self.region, self.levels
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(
                f"shares of known must be at least 0 and together at most 1, got {shares}; try .25, .1, .15"
            )


DOUBTED = 0.2  # diffusion time up to which a frame among noisier ones counts as known
FrameTimes = Float[Tensor, " frames"]  # diffusion time of each frame: 0 of those that are given
KnownMask = Float[Tensor, "1 frames height width"]  # 1 where a pixel is given


def told(
    key: Key, shares: KnownShares, times: LogitNormal, shape: tuple[int, int, int]
) -> tuple[FrameTimes, KnownMask]:
    """The times and the mask of a clip of `shape` (frames, height, width), as a pure function of its key."""
    frames, height, width = shape
    mask = torch.zeros(1, frames, height, width)
    part, own = key.named("kind").uniform(), key.named("time")
    if part < shares.levels:
        return torch.tensor([times.draw(own, frame) for frame in range(frames)]), mask
    t = torch.full((frames,), times.draw(own))
    if part < shares.levels + shares.region:
        mask[:] = _region(key.named("region"), height, width)
    elif part < shares.levels + shares.region + shares.frames and frames > 1:
        given = _given(key.named("frames"), frames)
        t = shifted(t, shares.shift)
        if key.named("doubt").uniform() < shares.doubt:  # what a window is told of those before it
            t[given] = DOUBTED * key.named("doubt").uniform(1)
        else:
            t[given], mask[:, given] = 0.0, 1.0
    return t, mask


def _given(key: Key, frames: int) -> list[int]:
    """Which frames are given, at least one and not all: few at an end more often than many."""
    kind, few, more = (key.uniform(draw) for draw in range(3))
    first = 1 + int((frames - 1) * few**2)  # 1 .. frames - 1
    if kind < 0.5:
        return list(range(first))
    if kind < 0.65:
        return list(range(frames - first, frames))
    if kind < 0.8 and frames > 2:
        before = 1 + int((frames - 2) / 2 * few**2)
        after = 1 + int((frames - 1 - before) / 2 * more**2)
        return [*range(before), *range(frames - after, frames)]
    share = 0.1 + 0.5 * few
    chosen = [frame for frame in range(frames) if key.named("scattered").uniform(frame) < share]
    always = int(more * frames)
    return chosen if 0 < len(chosen) < frames else [always]


def _region(key: Key, height: int, width: int) -> Float[Tensor, "height width"]:
    """1 in a rectangle of a quarter to three quarters of each side, or all around it."""
    sides = [max(1, round(size * (0.25 + 0.5 * key.uniform(axis)))) for axis, size in enumerate((height, width))]
    top, left = (
        key.integer(size - side + 1, 2 + axis)
        for axis, (size, side) in enumerate(zip((height, width), sides, strict=True))
    )
    inside = torch.zeros(height, width)
    inside[top : top + sides[0], left : left + sides[1]] = 1.0
    return 1.0 - inside if key.uniform(4) < 0.5 else inside

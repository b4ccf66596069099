"""Damage in time and from frame to frame, done to pixels, so that it works on any clip, a user's own as well.

A clip is uint8 [channels, frames, height, width]; a strength is above 0 and at most 1, and 1 is the full damage.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Int, UInt8

from framefall.noise import Key

ClipPixels = UInt8[np.ndarray, "channels frames height width"]
ResampledPixels = UInt8[np.ndarray, "channels _ height width"]  # of another number of frames


@dataclass(frozen=True)
class Corruption:
    """One way to damage a clip; `apply(clip, strength, key)` gives a new clip, of as many frames if `keeps_length`."""

    name: str
    group: Literal["temporal", "per-frame"]
    apply: Callable[[ClipPixels, float, Key], ResampledPixels]
    keeps_length: bool = True
    scales: bool = True  # whether the strength means anything to it

    def __call__(self, clip: ClipPixels, key: Key, strength: float = 1.0) -> ResampledPixels:
        """The damaged clip."""
        if not 0 < strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, got {strength}")
        if clip.shape[1] < 4:
            raise ValueError(f"a clip must have at least 4 frames to be damaged in time, got {clip.shape[1]}")
        return self.apply(clip, strength, key)


def shuffle(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Frames in another order, within windows of `strength` of the clip."""
    frames = clip.shape[1]
    window = max(2, round(strength * frames))
    order = [(index // window, key.word(index), index) for index in range(frames)]
    moved = [index for *_, index in sorted(order)]
    if moved == list(range(frames)):
        moved[0], moved[1] = moved[1], moved[0]
    return np.ascontiguousarray(clip[:, moved])


def freeze(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """The last `strength` of the clip stands still; all of it at 1: every frame is the first one."""
    last = round((1 - strength) * (clip.shape[1] - 1))
    return np.ascontiguousarray(clip[:, np.minimum(np.arange(clip.shape[1]), last)])


def stall(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """From the middle on it stands still for `strength` of the rest, then jumps to where it would be."""
    frames = clip.shape[1]
    half = frames // 2
    until = half + max(2, round(strength * (frames - half)))
    index = np.arange(frames)
    return np.ascontiguousarray(clip[:, np.where((index > half) & (index < until), half, index)])


def judder(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Frames come one too late or one too early, a share of `strength` of them."""
    frames = clip.shape[1]
    index = np.arange(frames)
    step = np.array([2 * key.integer(2, i, 1) - 1 if key.uniform(i, 0) < strength else 0 for i in range(frames)])
    step[frames // 2] = -1  # at least one
    return np.ascontiguousarray(clip[:, np.clip(index + step, 0, frames - 1)])


def pairs(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Frames come in pairs: of every two the second repeats the first, at 1 wholly, else mixed with its own."""
    index = np.arange(clip.shape[1])
    return _mixed(clip, index // 2 * 2, strength)


def pulldown(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Of every five frames the fifth repeats the fourth, as where the rate is raised without a new frame."""
    index = np.arange(clip.shape[1])
    return _mixed(clip, np.where(index % 5 == 4, index - 1, index), strength)


def hold(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Every fourth frame is held for four, as where time is upsampled without motion."""
    index = np.arange(clip.shape[1])
    return _mixed(clip, index // 4 * 4, strength)


def position_jitter(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Every frame is moved by a random fraction of the picture, 0.012 widths standard deviation at 1."""
    channels, frames, height, width = clip.shape
    out = np.empty_like(clip)
    for index in range(frames):
        dx, dy = (0.012 * width * strength * key.gauss(index, axis) for axis in (0, 1))
        shift = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
        for channel in range(channels):
            out[channel, index] = cv2.warpAffine(
                clip[channel, index], shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
    return out


def double_speed(clip: ClipPixels, strength: float, key: Key) -> ResampledPixels:
    """Up to twice as fast: fewer frames, at the same frame rate."""
    count = math.floor((clip.shape[1] - 1) / (1 + strength)) + 1
    return np.ascontiguousarray(clip[:, np.round(np.arange(count) * (1 + strength)).astype(int)])


def half_speed(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Up to twice as slow: as many frames, of the beginning alone, each shown up to twice as a player does."""
    return np.ascontiguousarray(clip[:, (np.arange(clip.shape[1]) / (1 + strength)).astype(int)])


def reverse(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Backwards."""
    return np.ascontiguousarray(clip[:, ::-1])


def flicker(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Each frame's brightness varies by 2 % and the colours of what moves by 3 %, as of frames made one by one."""
    channels, frames, *_ = clip.shape
    background = np.median(clip, axis=1, keepdims=True)
    moves = np.abs(clip - background).max(axis=0, keepdims=True) > 24
    # uniform in -1..1: one number a frame for the background, one a channel and frame for the rest
    behind = np.array([2 * key.uniform(i, 0) - 1 for i in range(frames)])[None, :, None, None]
    before = np.array([[2 * key.uniform(i, 1 + c) - 1 for i in range(frames)] for c in range(channels)])[
        ..., None, None
    ]
    gain = 1 + strength * np.where(moves, 0.03 * before, 0.02 * behind)
    # in a still picture everything is background
    return to_bytes(clip * gain)


def brightness_flicker(clip: ClipPixels, strength: float, key: Key) -> ClipPixels:
    """Each frame is brighter or darker as a whole by up to 10 %."""
    gain = np.array([1 + 0.1 * strength * (2 * key.uniform(i) - 1) for i in range(clip.shape[1])])
    return to_bytes(clip * gain[None, :, None, None])


def independent(clips: Sequence[ClipPixels]) -> ClipPixels:
    """Frames that know nothing of each other: frame k is frame k of the k-th clip, round and round.

    Of clips with one caption this is what a model of single frames makes.
    """
    if len(clips) < 2 or len({clip.shape for clip in clips}) > 1:
        raise ValueError(f"independent frames need at least 2 clips of one shape, got {[clip.shape for clip in clips]}")
    frames = range(clips[0].shape[1])
    return np.stack([clips[index % len(clips)][:, index] for index in frames], axis=1)


CORRUPTIONS: dict[str, Corruption] = {
    item.name: item
    for item in (
        Corruption("shuffle", "temporal", shuffle),
        Corruption("freeze", "temporal", freeze),
        Corruption("stall", "temporal", stall),
        Corruption("judder", "temporal", judder),
        Corruption("pairs", "temporal", pairs),
        Corruption("pulldown", "temporal", pulldown),
        Corruption("hold", "temporal", hold),
        Corruption("position_jitter", "temporal", position_jitter),
        Corruption("double_speed", "temporal", double_speed, keeps_length=False),
        Corruption("half_speed", "temporal", half_speed),
        Corruption("reverse", "temporal", reverse, scales=False),
        Corruption("flicker", "per-frame", flicker),
        Corruption("brightness_flicker", "per-frame", brightness_flicker),
    )
}


def _mixed(clip: ClipPixels, shown: Int[np.ndarray, " frames"], strength: float) -> ClipPixels:
    """Other frames in the place of the clip's, or a mix of both."""
    return to_bytes(clip + strength * (clip[:, shown].astype(np.float32) - clip))


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Values 0..255 as whole numbers."""
    return np.clip(np.round(values), 0, 255).astype(np.uint8)

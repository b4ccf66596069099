"""What can be wrong with a clip, and what a stage adds to it: numbers that grow with the fault, one clip at a time.

A stage's answer is compared with the plain method on the same input (linear blend in time, bicubic in space), which
has its frames and size: what the input had already cancels. Lengths are in picture heights, values of the 0..1 range.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from framefall.evaluate.metrics.coherence import flicker, luminance_flicker
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.evaluate.stages.superres import linear_blend
from framefall.flow import SingleVideo
from framefall.physics.laws import LAWS
from framefall.video import resize

LowResVideo = Float[Tensor, "1 channels given low_height low_width"]

FOREGROUND = 0.08  # of the 0..1 range, from the clip's median picture
STEADY = 0.5  # a foreground that changes by more than this share from frame to frame is not followed
FLAT = 1e-5  # mean square slope, a pixel of 32, of a picture too flat for its shift to be seen


Quantity = Callable[[ObservedClip], float]  # NaN where it cannot be measured


def jitter(clip: ObservedClip) -> float:
    """How much the whole picture trembles: root mean square of the change of its shift from frame to frame, heights.

    The shift is the one that explains the change of brightness best (Lucas and Kanade 1981), drawn to none where the
    picture is flat. A ball that passes shifts the picture evenly, and a bounce by a little.
    """
    luma = _unit(clip.video).mean(0)
    if len(luma) < 3 or min(luma.shape[1:]) < 3:
        return math.nan
    smooth = torch.nn.functional.avg_pool2d(luma[:, None], 3, 1, 1, count_include_pad=False)[:, 0].double()
    down, across = torch.gradient((smooth[1:] + smooth[:-1]) / 2, dim=(1, 2))
    slopes = torch.stack((across, down)).flatten(2)  # 2 pairs pixels
    change = (smooth[1:] - smooth[:-1]).flatten(1)
    change = change - change.mean(dim=1, keepdim=True)
    size = slopes.shape[2]
    square = torch.einsum("apn,bpn->pab", slopes, slopes) / size
    square += FLAT * (32 / luma.shape[1]) ** 2 * torch.eye(2, dtype=square.dtype)
    shifts = torch.linalg.solve(square, torch.einsum("apn,pn->pa", slopes, change) / size) / luma.shape[1]
    return float(shifts.diff(dim=0).square().sum(dim=1).mean().sqrt())


def blur(clip: ObservedClip) -> float:
    """Fine detail that is missing: minus the logarithm of its root mean square, so that halving it adds 0.7."""
    frames = _unit(clip.video).transpose(0, 1)
    if min(frames.shape[-2:]) < 3:
        return math.nan
    fine = frames[..., 1:-1, 1:-1] - torch.nn.functional.avg_pool2d(frames, 3, stride=1)
    return -0.5 * math.log(float(fine.double().square().mean()) + 1e-8)


def grain(clip: ObservedClip) -> float:
    """Fine detail that is too much: the opposite of `blur`."""
    return -blur(clip)


def drift(clip: ObservedClip) -> float:
    """How far the mean colour wanders: between the first and the last quarter, the mean over channels."""
    colour = _unit(clip.video).mean(dim=(2, 3))
    part = max(1, colour.shape[1] // 4)
    return (
        float((colour[:, :part].mean(1) - colour[:, -part:].mean(1)).abs().mean()) if colour.shape[1] > 1 else math.nan
    )


def leap(clip: ObservedClip) -> float:
    """The longest leap of the foreground's centre that no even motion before and after it explains, heights.

    Lines through the two centres before a gap and the two after it meet in it, also at a bounce. What is over where
    they pass each other is the leap. A fallback where no tracker can be had: all that moves is one thing to it.
    """
    centres, mass = _foreground(_unit(clip.video))
    longest = math.nan
    for index in range(1, len(centres) - 2):
        near = mass[index - 1 : index + 3]
        if not near.min() > STEADY * near.max():
            continue
        before, after = centres[index] - centres[index - 1], centres[index + 2] - centres[index + 1]
        gap, closing = centres[index + 1] - after - centres[index], after - before  # apart at 0, and its growth to 1
        speed = float(closing @ closing)
        when = min(1.0, max(0.0, -float(gap @ closing) / speed)) if speed > 0 else 0.0
        longest = max(float(np.linalg.norm(gap + when * closing)), 0.0 if math.isnan(longest) else longest)
    return longest


def law(name: str) -> Quantity:
    """A law of physics as a quantity that grows with its violation, of what is tracked in the clip."""

    def measure(clip: ObservedClip) -> float:
        value = clip.laws[name].value
        return math.nan if math.isnan(value) else LAWS[name].error(value)

    return measure


QUANTITIES: dict[str, Quantity] = {
    "flicker": lambda clip: flicker(clip.motion),
    "light flicker": lambda clip: luminance_flicker(clip.motion),
    "stutter": lambda clip: clip.cadence.stutter,
    "cadence": lambda clip: clip.cadence.strength,
    "jitter": jitter,
    "blur": blur,
    "grain": grain,
    "colour drift": drift,
    "leap": leap,
}
# what only a stage with an input can be asked
SHIFTS = ("colour shift", "input lost", "input lost at worst", "displacement")


def plain(video: LowResVideo, time: int, space: int) -> SingleVideo:
    """What the plain method makes of a stage's input."""
    dense = linear_blend(video, time) if time > 1 else video
    return resize(dense, dense.shape[-2] * space, dense.shape[-1] * space) if space > 1 else dense


def given_part(made: SingleVideo, given: LowResVideo, time: int, space: int) -> LowResVideo:
    """The part of a stage's answer that should be its input: the frames at its times, made small by area."""
    small = resize(made[:, :, ::time], made.shape[-2] // space, made.shape[-1] // space, "area")
    return small[:, :, : given.shape[2]]


def measure_quantities(
    video: SingleVideo, fps: float, quantities: Mapping[str, Quantity] = QUANTITIES
) -> dict[str, float]:
    """Each quantity of one clip."""
    clip = ObservedClip(video, fps)
    return {name: quantity(clip) for name, quantity in quantities.items()}


@dataclass(frozen=True, eq=False)
class Yardstick:
    """One input of a stage, what the plain method makes of it, and how that measures."""

    given: LowResVideo
    time: int
    space: int
    fps: float  # of the input
    quantities: Mapping[str, Quantity] = field(default_factory=lambda: QUANTITIES)

    @functools.cached_property
    def usual(self) -> dict[str, float]:
        """What the plain method's answer measures."""
        return measure_quantities(plain(self.given, self.time, self.space), self.fps * self.time, self.quantities)

    def added(self, made: SingleVideo) -> dict[str, float]:
        """What a stage that made `made` of this input added, by quantity; 0 or below is nothing."""
        given, time, space = self.given, self.time, self.space
        size = [given.shape[-2] * space, given.shape[-1] * space]
        frames = (given.shape[2] - 1) * time + 1
        if list(made.shape[3:]) != size or made.shape[2] < frames:
            raise ValueError(
                f"a stage that multiplies frames by {time} and sides by {space} must make {[frames, *size]} of"
                f" {list(given.shape[2:])}, got {list(made.shape[2:])}; check its factors"
            )
        made = made[:, :, :frames]
        part = given_part(made, given, time, space)
        mine = measure_quantities(made, self.fps * time, self.quantities)
        lost = (part - given).abs().double() / 2
        return {
            **{name: value - self.usual[name] for name, value in mine.items()},
            "colour shift": float((part - given).double().mean(dim=(2, 3, 4)).abs().mean() / 2),
            "input lost": float(lost.mean()),
            "input lost at worst": float(lost.max()),
            "displacement": _displacement(given, part),
        }


def _displacement(given: Tensor, part: Tensor) -> float:
    """The mean distance of the foreground's centres, in pixels of the input (it should be below 0.1)."""
    # each against its own still picture: another brightness is no displacement
    (one, mass), (other, _) = _foreground(_unit(given)), _foreground(_unit(part))
    apart = np.linalg.norm(one - other, axis=1)[mass > 0]
    apart = apart[np.isfinite(apart)]
    return float(apart.mean() * given.shape[-2]) if len(apart) else math.nan


def _foreground(frames: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Centres `[frames, 2]` in heights, and mass, of what differs from the median picture."""
    away = (frames - frames.median(dim=1, keepdim=True).values).abs().amax(0).numpy()
    matte = np.where(away > FOREGROUND, away, 0.0)
    mass = matte.sum(axis=(1, 2))
    height, width = matte.shape[1:]
    safe = np.where(mass > 0, mass, math.nan)
    x = (matte.sum(axis=1) * (np.arange(width) + 0.5)).sum(axis=1) / safe / height
    y = (matte.sum(axis=2) * (np.arange(height) + 0.5)).sum(axis=1) / safe / height
    return np.stack((x, y), axis=1), mass


def _unit(video: Tensor) -> Tensor:
    """One clip `[channels, frames, height, width]`, 0..1."""
    return video[0].detach().float().cpu().add(1.0).mul(0.5)

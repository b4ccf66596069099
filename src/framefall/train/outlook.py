"""What a budget buys a stage, whether that will do, and at the end whether it did. Every threshold is a run in the log.

Before and during training clips seen are counted; at the end the averaged weights are measured. The runs behind the
thresholds are small networks on clips of 32 and 64 pixels: a larger network or a more various source needs more.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framefall.train.held_out import HeldOutLoss

Kind = Literal["base", "temporal_sr", "spatial_sr"]


@dataclass(frozen=True)
class Level:
    """What a base makes from so many clips on, or up to such an error."""

    clips: int
    error: float  # of x0 over that of the clip's mean colour, at `LOOK_AT` (train/held_out.py)
    shows: str


# Clips: nano 1,024, "colours and no scene"; pico 5,664, four scenes of six "blocks of colour"; pico 26,400, box, cup
# and walkers can be recognised; base of the worlds 31,700, coloured balls and walls; 96,900, things go behind a screen
# and come back, fall and bounce. Errors: pico after 240 clips .62; base of the worlds after 49,872 .28 to .37 (walls
# and floors, things that do not hold together); the shipped pico on its rabbit .16; the 31,700 above about .20. How
# things move does not show in this error, so that none is enough for the last level. All are in docs/log.md.
LEVELS = (
    Level(0, math.inf, "colours and no scene"),
    Level(5_000, 0.4, "blocks of colour"),
    Level(25_000, 0.2, "scenes that can be recognised"),
    Level(100_000, 0.0, "things that move as they should"),
)
PICTURE = LEVELS[2]

# nano's spatial stage: no gain over bicubic after 100 to 240 steps of 8, +.35 dB after 160 once its level layers began
# at zero (as they do now), +.84 dB after 4,768 clips (docs/log.md 2026-11-22, two entries)
SHARPER = 1_300

# the temporal stage: -.005 dB after ten minutes of nano; its motion prior alone, untrained, gains .67 dB over a linear
# blend; pico's was left at 2,856 clips (docs/log.md 2026-11-22)
MOTION = 3_000

TRIFLE = 0.1  # dB that a super-resolution stage must gain at least: what is surely there may still not be seen
BY_HEART = 1_000  # visits a piece: pico saw 26,400 clips of 67 s, and "knows its six captions and nothing else"
TENTH = 0.1  # of a stage's budget, after which its first verdict is given
_SURE = 2.0  # standard errors


@dataclass(frozen=True)
class Verdict:
    """Whether a stage does what it is for."""

    enough: bool
    because: str
    kept_back: bool = True  # it was measured on clips that were kept from training


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is left of a budget, and what it buys one stage."""

    stage: str
    kind: Kind
    batch: int
    steps: int  # that are left
    done: int = 0  # steps of earlier sessions
    seconds: float | None = None  # a step; None where nothing was timed
    pieces: int | None = None  # different clips in the source, where it knows
    started: bool = False  # from weights that were trained before

    @property
    def clips(self) -> int:
        """Seen at the end, repeats included, over all sessions."""
        return (self.done + self.steps) * self.batch

    @property
    def minutes(self) -> float | None:
        """Of training that is left."""
        return None if self.seconds is None else self.steps * self.seconds / 60

    def said(self) -> str:
        """In words."""
        steps = "1 step" if self.steps == 1 else f"{_about(self.steps)} steps"
        text = f"{self.stage} {steps} of {self.batch} clips"
        if self.minutes is not None:
            text += f" in {span(self.minutes)}"
        if self.done:
            text += f", {_about(self.clips)} clips with those of before"
        if self.pieces:
            visits = self.clips / self.pieces
            how = f"{_about(visits)} times" if visits >= 1.5 else "about once" if visits > 0.7 else "at most once"
            text += f", {f'each of {self.pieces:,} pieces' if self.pieces > 1 else 'its only piece'} {how}"
        return text


def needed(kind: Kind, pieces: int | None = None) -> int:
    """Clips from which on a stage of that kind does what it is for; few pieces are known by heart before."""
    if kind == "base":
        return min(PICTURE.clips, BY_HEART * (pieces or PICTURE.clips))
    return {"temporal_sr": 0, "spatial_sr": SHARPER}[kind]


def forecast(outlook: Outlook) -> Verdict:
    """What is to be expected of a stage after all of its budget, by the clips that it will have seen."""
    clips, need = outlook.clips, needed(outlook.kind, outlook.pieces)
    if outlook.started:
        return Verdict(True, f"{outlook.stage} starts from trained weights")
    seen = f"{outlook.stage} will see about {_about(clips)} clips"
    if outlook.kind == "base":
        level = [level for level in LEVELS if level.clips <= clips][-1]
        shows = level.shows if level.clips >= PICTURE.clips or clips < need else "scenes that it knows by heart"
        known = f", and scenes can be recognised from about {need:,} on" if clips < need else ""
        return Verdict(clips >= need, f"{seen}, which make {shows}{known}")
    if outlook.kind == "spatial_sr":
        known = f"it beats bicubic from about {need:,} on"
        return Verdict(clips >= need, f"{seen}, and {known}" if clips < need else f"{seen}; {known}")
    known = "too few to learn more than its motion prior knows" if clips < MOTION else "and begins at its motion prior"
    return Verdict(True, f"{seen}, {known}")


def reached(found: HeldOutLoss, kind: Kind, clips: int) -> Verdict:
    """What a stage does after `clips`, by what its averaged weights make of the clips that it is measured on."""
    enough, because = _reached(found, kind)
    return Verdict(enough, f"{found.stage} has seen {clips:,} clips and {because}", found.kept_back)


def _reached(found: HeldOutLoss, kind: Kind) -> tuple[bool, str]:
    error = found.error
    if error is None or not math.isfinite(error):
        return False, "makes nothing that is finite"
    if kind == "base":
        level = [one for one in LEVELS if error <= one.error][-1]
        wrong = f"makes {level.shows} (shown a clip through 80% noise, it gets {100 * min(error, 1.0):.0f}% of it wrong"
        if level.error <= PICTURE.error:
            return True, f"{wrong})"
        return False, f"{wrong}; {100 * PICTURE.error:.0f}% would do)"
    plain = "bicubic" if kind == "spatial_sr" else "its motion prior"
    gain, sure = decibels(found.errors)
    if gain - sure > 0:
        what = f"{gain:.2f} dB ({gain - sure:.2f} to {gain + sure:.2f}) on {plain}"
        return (True, f"gains {what}") if gain >= TRIFLE else (kind == "temporal_sr", f"gains no more than {what}")
    if gain + sure < 0:
        return False, f"is {-gain:.2f} dB worse than {plain}"
    return kind == "temporal_sr", f"adds nothing yet to {plain}"


def decibels(errors: tuple[float, ...]) -> tuple[float, float]:
    """Mean gain over the plain guess, and how far it may be off: two standard errors over the clips."""
    gains = -10 * np.array(errors) / math.log(10)
    spread = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else math.inf
    return float(gains.mean()), float(_SURE * spread)


def after_a_tenth(outlook: Outlook, measured: HeldOutLoss | None, remedy: str) -> Verdict:
    """The first verdict, on the real speed and on what was measured: whether it will do, why, and what to change."""
    expected, going, what = forecast(outlook), "", f"{outlook.stage}, after a tenth of its budget"
    if measured is not None:
        now = reached(measured, outlook.kind, measured.step * outlook.batch)
        expected = now if now.enough else expected
        if measured.trend is not None:
            going = f"; its loss is {measured.trend.said(measured.kept_back)}"
            if measured.trend.kind == "rising":
                return Verdict(False, f"{what}: this will not do: {expected.because}{going}")
    if expected.enough:
        return Verdict(True, f"{what}: on the way: {expected.because}{going}")
    return Verdict(False, f"{what}: this will not do: {expected.because}{going}; {remedy}")


def span(minutes: float) -> str:
    """A time in words, no more exact than it is known."""
    if minutes < 1:
        return f"{max(1, round(60 * minutes))} s"
    if minutes < 10:
        return f"{minutes:.1f} minutes"
    return f"{minutes:.0f} minutes" if minutes < 180 else f"{minutes / 60:,.0f} hours"


def _about(number: float) -> str:
    """Two digits of it."""
    if number < 100:
        return f"{number:.0f}"
    digits = 10 ** (int(math.log10(number)) - 1)
    return f"{round(number / digits) * digits:,}"

"""The state log: what happened in a scene, small enough to ship, exact at any moment.

A track is a list of knots with a cubic Hermite curve between each two: free flight is a parabola, so it is exact;
a blow is two knots at one moment with two velocities. The log is therefore free of any frame rate.
"""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from framefall.config import from_json as config_from_json
from framefall.config import to_dict
from framefall.worlds.scene import Scene, is_colour
from framefall.worlds.shapes import OUTLINES

FrameTimes = Float[np.ndarray, " frames"]  # seconds
VERSION = 1  # of the log's format
_DECIMALS = 7  # kept in a log: a 25,000th of a pixel at 256


@dataclass(frozen=True, eq=False)
class States:
    """A body at `n` moments; 2 axes in the plane, 3 with depth."""

    position: Float[np.ndarray, "n axes"]  # heights
    velocity: Float[np.ndarray, "n axes"]  # heights a second
    rotation: Float[np.ndarray, "n turns"]  # an angle in radians, or a unit quaternion (w, x, y, z)
    spin: Float[np.ndarray, "n spins"]  # radians a second about the axis (2-D) or the three axes (3-D)


@dataclass(frozen=True)
class Track:
    """Where one body is at any time.

    Each knot is (seconds, *position, *velocity, *rotation, *spin): 7 numbers in the plane, 14 with depth.
    Times do not decrease; of two knots at one time the later one holds from then on. Before the first and
    after the last knot the body moves on evenly.
    """

    knots: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.knots or {len(knot) for knot in self.knots} - {7, 14} or len({len(k) for k in self.knots}) > 1:
            raise ValueError(f"a track must have knots of 7 numbers (or 14, with depth), got {self.knots[:1]}")
        if any(after[0] < before[0] for before, after in zip(self.knots, self.knots[1:], strict=False)):
            raise ValueError("the knots of a track must stand in the order of time")
        if not all(math.isfinite(value) for knot in self.knots for value in knot):
            raise ValueError("the numbers of a track must be finite")

    def at(self, times: Float[np.ndarray, " n"]) -> States:
        """The body's state at `times` in seconds."""
        table = np.asarray(self.knots)
        when, axes = table[:, 0], 2 if table.shape[1] == 7 else 3
        place = slice(1, 1 + axes), slice(1 + axes, 1 + 2 * axes)
        turn = (slice(5, 6), slice(6, 7)) if axes == 2 else (slice(7, 11), slice(11, 14))
        right = np.searchsorted(when, times, side="right")
        left, right = np.clip(right - 1, 0, None), np.clip(right, None, len(when) - 1)
        span = (when[right] - when[left])[:, None]
        since = np.asarray(times)[:, None] - when[left][:, None]
        position, velocity = _hermite(table[left], table[right], *place, span, since)
        if axes == 2:
            rotation, spin = _hermite(table[left], table[right], *turn, span, since)
        else:
            rotation, spin = _slerp(table[left], table[right], *turn, span, since)
        return States(position, velocity, rotation, spin)

    def until(self, time: float) -> "Track":
        """The track up to `time`, with a last knot there; a blow at that very moment is not in it."""
        kept = [knot for knot in self.knots if knot[0] < time]
        return Track((*kept, self.before(time)))

    def since(self, time: float) -> "Track":
        """The track from `time` on, with a first knot there."""
        kept = [knot for knot in self.knots if knot[0] > time]
        return Track((self.knot(time), *kept))

    def before(self, time: float) -> tuple[float, ...]:
        """The state at one moment as a knot, before any blow at that moment."""
        return next((knot for knot in self.knots if knot[0] == time), None) or self.knot(time)

    def knot(self, time: float) -> tuple[float, ...]:
        """The state at one moment as a knot, after any blow at that moment."""
        state = self.at(np.array([time]))
        rows = (state.position, state.velocity, state.rotation, state.spin)
        return (time, *(float(value) for row in rows for value in row[0]))


@dataclass(frozen=True)
class Contact:
    """Two things that touch: a blow, or the beginning of resting, sliding or rolling."""

    time: float
    first: str  # a body
    second: str  # a body or a fixture
    speed: float = 0.0  # at which they came together along the normal, heights a second


@dataclass(frozen=True)
class Appearance:
    """How a body looks from a moment on, where that is not as it began; `shown` is false while it has vanished."""

    time: float
    colour: str  # a name, or #rrggbb for what is between two names
    shape: str
    radius: float
    shown: bool = True

    def __post_init__(self) -> None:
        if not is_colour(self.colour) or self.shape not in OUTLINES or self.radius <= 0:
            raise ValueError(f"a look must have a known colour and shape and a radius above 0, got {self}")


@dataclass(frozen=True, kw_only=True)
class StateLog:
    """A scene and what happened in it; the renderer and the metrics need nothing else."""

    scene: Scene
    tracks: dict[str, Track]  # by body
    contacts: tuple[Contact, ...] = ()
    looks: dict[str, tuple[Appearance, ...]] | None = None  # of bodies that change, in the order of time
    violation: str = ""  # what breaks physics in it, if anything does
    violation_time: float | None = None  # seconds; everything before is as in the valid twin
    version: int = VERSION
    renderer: str = ""  # the hash of the renderer that the log was made for

    def __post_init__(self) -> None:
        bodies = {body.name for body in self.scene.bodies}
        if set(self.tracks) != bodies:
            raise ValueError(
                f"a log must have one track a body, got tracks of {sorted(self.tracks)} for {sorted(bodies)}"
            )
        if self.version != VERSION:
            raise ValueError(
                f"this is a log of version {self.version}, and version {VERSION} can be read; make it anew"
            )

    def appearances_at(self, name: str, times: Float[np.ndarray, " n"]) -> list[Appearance]:
        """How a body looks at each moment."""
        body = next(body for body in self.scene.bodies if body.name == name)
        first = Appearance(-math.inf, body.colour, body.shape if body.shape in OUTLINES else "ball", body.radius)
        looks = [first, *(self.looks or {}).get(name, ())]
        places = np.searchsorted([look.time for look in looks], times, side="right") - 1
        return [looks[place] for place in places]

    def rounded(self) -> "StateLog":
        """The log with its tracks' numbers rounded, so that two machines' last digits do not tell."""
        tracks = {
            name: Track(tuple(tuple(round(value, _DECIMALS) + 0.0 for value in knot) for knot in track.knots))
            for name, track in self.tracks.items()
        }
        return replace(self, tracks=tracks)


def frame_times(frames: int, fps: float, start: int = 0) -> FrameTimes:
    """The moments of `frames` frames from frame `start` on; equal moments of two rates are equal numbers."""
    return np.arange(start, start + frames) / fps


def to_json(log: StateLog) -> str:
    """The log as one line of JSON."""
    return json.dumps(to_dict(log), separators=(",", ":"))


def from_json(text: str | bytes, origin: str = "state log") -> StateLog:
    """A log from JSON; what does not fit the schema is refused in one sentence."""
    return config_from_json(StateLog, text, origin)


def _hermite(
    left: np.ndarray, right: np.ndarray, value: slice, rate: slice, span: np.ndarray, since: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The cubic through two knots' values and rates, and its derivative; beyond the knots, a straight line."""
    safe = np.where(span > 0, span, 1.0)
    u = since / safe
    a, b, da, db = left[:, value], right[:, value], left[:, rate] * safe, right[:, rate] * safe
    jump = b - a
    cubic = a + u * (da + u * (3 * jump - 2 * da - db + u * (da + db - 2 * jump)))
    slope = (da + u * (2 * (3 * jump - 2 * da - db) + u * 3 * (da + db - 2 * jump))) / safe
    inside = span > 0
    return np.where(inside, cubic, a + since * left[:, rate]), np.where(inside, slope, left[:, rate])


def _slerp(
    left: np.ndarray, right: np.ndarray, value: slice, rate: slice, span: np.ndarray, since: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The turn from one unit quaternion to the next at an even rate; the spin is mixed evenly."""
    share = np.where(span > 0, since / np.where(span > 0, span, 1.0), 0.0)
    a, b = left[:, value], right[:, value]
    cosine = (a * b).sum(axis=1, keepdims=True)
    b, cosine = np.where(cosine < 0, -b, b), np.clip(np.abs(cosine), 0.0, 1.0)
    angle = np.arccos(cosine)
    small = angle < 1e-6
    sine = np.where(small, 1.0, np.sin(angle))
    mixed = np.where(small, a + share * (b - a), (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / sine)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True), left[:, rate] + share * (
        right[:, rate] - left[:, rate]
    )

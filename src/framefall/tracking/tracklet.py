"""One object while its track is being made: where it was, where it should be next, and why it is not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from framefall.tracking.matte import Blob

RECENT = 5  # frames that say where an object goes next
LONG = 10  # frames that say where it comes out again
STEADY = 3.0  # times better must a parabola fit than a line, to be believed


@dataclass
class Absence:
    """That an object is not seen from a frame on; `why` is border, occluder, object ... or the empty word."""

    frame: int
    why: str
    detail: str = ""  # which occluder or object; if nothing explains it, which object was touched
    until: int = -1  # the frame of its reappearance, once it is known


@dataclass
class Tracklet:
    """The blobs of one object."""

    frames: list[int] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    clear: list[bool] = field(default_factory=list)  # touches neither border nor occluder
    absences: list[Absence] = field(default_factory=list)
    born: str = ""  # start, border, occluder, object k; the empty word if nothing explains it
    _known: tuple[int, float, np.ndarray] = field(default_factory=lambda: (0, 0.0, np.zeros(3)))  # blobs, area, colour
    _predicted: dict[int, np.ndarray] = field(default_factory=dict)  # asked for often, the same until it grows

    def add(self, frame: int, blob: Blob, clear: bool) -> None:
        """One frame more."""
        self._predicted.clear()
        self.frames.append(frame)
        self.blobs.append(blob)
        self.clear.append(clear)

    @property
    def lost(self) -> bool:
        """Whether it is out of sight."""
        return bool(self.absences) and self.absences[-1].until < 0

    @property
    def last(self) -> Blob:
        """How it was last seen."""
        return self.blobs[-1]

    @property
    def area(self) -> float:
        """Its full area, as far as it is known."""
        if self._known[0] != len(self.blobs):
            self._known = (len(self.blobs), self._area(), np.median([blob.colour for blob in self.blobs[-5:]], axis=0))
        return self._known[1]

    def _area(self) -> float:
        whole = [blob.area for blob, clear in zip(self.blobs[-12:], self.clear[-12:], strict=True) if clear]
        return float(np.median(whole)) if whole else max(blob.area for blob in self.blobs[-12:])

    @property
    def radius(self) -> float:
        """Of the disc of that area."""
        return float((self.area / np.pi) ** 0.5)

    @property
    def colour(self) -> np.ndarray:
        """CIE Lab, of late."""
        assert self.area >= 0
        return self._known[2]

    def speed(self, frame: int) -> np.ndarray:
        """Pixels a frame, about a frame; zero while only one place is known."""
        return self.predict(frame) - self.predict(frame - 1) if len(self.frames) > 1 else np.zeros(2)

    @property
    def fastest(self) -> float:
        """The largest of its last few steps, pixels a frame."""
        places = np.array([blob.position for blob in self.blobs[-4:]])
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1) / np.diff(self.frames[-4:])
        return float(steps.max()) if len(steps) else 0.0

    def predict(self, frame: int) -> np.ndarray:
        """Where its middle should be: next frame from the last few, later from a longer past."""
        if frame not in self._predicted:
            frames, places = self._seen()
            count = RECENT if frame - self.frames[-1] <= 1 else LONG
            self._predicted[frame] = (
                extrapolated(frames[-count:], places[-count:], frame) if len(frames) > 1 else places[0]
            )
        return self._predicted[frame]

    @property
    def fresh(self) -> bool:
        """Whether it has just come, or come back, so that nobody knows how fast it is."""
        return len(self.frames) == 1 or self.frames[-1] - self.frames[-2] > 1

    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        """The last frames in which it was whole, since it came back; or any if there are not two."""
        start = max(0, len(self.frames) - 2 * LONG)
        gaps = np.flatnonzero(np.diff(self.frames[start:]) > 1)
        start += int(gaps[-1]) + 1 if len(gaps) else 0
        chosen = [i for i in range(start, len(self.frames)) if self.clear[i]]
        if len(chosen) < 2:
            chosen = list(range(start, len(self.frames)))
        return np.array([self.frames[i] for i in chosen]), np.array([self.blobs[i].position for i in chosen])


def extrapolated(frames: Sequence[int] | np.ndarray, places: np.ndarray, frame: int) -> np.ndarray:
    """A line, or a parabola where it fits far better, through places, at another frame.

    A kick in the past would bend the parabola, so the newest three places alone decide if the rest does not fit.
    """
    since = np.asarray(frames, dtype=float) - frames[-1]
    ahead = float(frame - frames[-1])
    if len(since) >= 4 and since[-1] - since[0] <= 4 * len(since):
        line = _fit(since, places, 1)
        curve = _fit(since, places, 2)
        if len(since) > 4 and curve[1] > 0.6:  # a kick
            return extrapolated(frames[-3:], places[-3:], frame)
        order = 2 if curve[1] * STEADY < line[1] and line[1] > 0.05 else 1
        return (curve if order == 2 else line)[0] @ ahead ** np.arange(order + 1)
    if len(since) == 3 and since[0] == -2 and ahead <= 2:
        second = places[2] - 2 * places[1] + places[0]
        return places[2] + ahead * (places[2] - places[1]) + 0.5 * ahead * (ahead + 1) * second
    span = since[-1] - since[-2]
    return places[-1] + ahead / span * (places[-1] - places[-2])


def _fit(since: np.ndarray, places: np.ndarray, order: int) -> tuple[np.ndarray, float]:
    """Coefficients (a column a power) of the least squares polynomial, and the residual of one coordinate."""
    powers = since[:, None] ** np.arange(order + 1)
    solution = np.linalg.solve(powers.T @ powers, powers.T @ places)
    freedom = max(1, len(since) - order - 1)
    return solution.T, float(np.sqrt(((powers @ solution - places) ** 2).sum() / freedom))

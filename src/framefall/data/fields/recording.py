"""One opened recording of a field: what it is, when its frames are, and the way to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from framefall.data.fields.field import Field

Times = Float[np.ndarray, " frames"]  # in units of the field's clock
Places = Float[np.ndarray, "_"]  # numbers of frames, with what lies between two of them
Frames = Float[np.ndarray, "channels _ height width"]  # physical; NaN is missing
EVEN = 0.05  # of a step: what a frame may be off and still be taken for one of even steps
GAP = 2.0  # steps: over a longer gap nothing is interpolated


class FieldError(ValueError):
    """A file that cannot be read as a field; `reason` is the sentence without the path."""

    def __init__(self, path: object, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{path} cannot be read: {reason}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A field over time. `field` has no scale yet."""

    field: Field
    times: Times
    frames: Callable[[slice], Frames]  # those of a range of numbers
    member: str = ""  # which one of the file's it is, where that has several
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return len(self.field.rows.values), len(self.field.columns.values)

    def at(self, places: Places) -> Frames:
        """The frames at these places; between two frames they are interpolated, and missing where one of them is."""
        below, above = np.floor(places).astype(int), np.ceil(places).astype(int)
        wanted = sorted({*below.tolist(), *above.tolist()})
        found = self._read(wanted)
        at = {number: index for index, number in enumerate(wanted)}
        first, second = (found[:, [at[number] for number in numbers.tolist()]] for numbers in (below, above))
        share = (places - below).astype(np.float32).reshape(1, -1, 1, 1)
        return np.where(share > 0, first + share * (second - first), first)

    def of(self, other: Field, what: str, whose: str) -> "Recording":
        """The same with the channels that another field has, in its order; refused where it lacks one."""
        names = self.field.names
        if names == other.names or not set(other.names) <= set(names):
            other.check_alike(self.field, what, whose)
            return self
        places = [names.index(name) for name in other.names]
        chosen = replace(self.field, channels=[self.field.channels[place] for place in places])
        other.check_alike(chosen, what, whose)
        return replace(self, field=chosen, frames=lambda numbers: self.frames(numbers)[places])

    def _read(self, numbers: Sequence[int]) -> Frames:
        """Frames by their numbers, which increase: in one reading where they are evenly spaced."""
        steps = {after - before for before, after in pairwise(numbers)} or {1}
        if len(steps) == 1:
            return self.frames(slice(numbers[0], numbers[-1] + 1, steps.pop()))
        return np.concatenate([self.frames(slice(one, one + 1)) for one in numbers], axis=1)


def usual_step(times: Times) -> float:
    """The median of the times between frames; 0 of a single frame. Raises `ValueError` where times do not increase."""
    if len(times) < 2:
        return 0.0
    gaps = np.diff(times)
    if not (gaps > 0).all():
        raise ValueError(
            f"its times must increase, and frame {int(np.argmin(gaps > 0)) + 1} is not after the one before"
        )
    return float(np.median(gaps))


def takes(times: Times, step: float) -> list[Places]:
    """The places of frames that come every `step`, in one piece or several: a gap of more than two steps parts them.

    Frames that are even already are taken as they are.
    """
    if len(times) < 2 or not step:
        return [np.array([float(number)]) for number in range(len(times))]
    cuts = [0, *(np.flatnonzero(np.diff(times) > GAP * step * (1 + 1e-6)) + 1).tolist(), len(times)]
    found = []
    for begin, end in pairwise(cuts):
        own = times[begin:end]
        if (np.abs(own - own[0] - step * np.arange(len(own))) <= EVEN * step).all():
            found.append(np.arange(begin, end, dtype=np.float64))
            continue
        grid = own[0] + step * np.arange(int((own[-1] - own[0]) / step + EVEN) + 1)
        places = np.interp(grid, own, np.arange(begin, end, dtype=np.float64))
        near = np.abs(places - np.rint(places)) < EVEN
        found.append(np.where(near, np.rint(places), places))
    return found


def interpolated(places: Sequence[Places]) -> bool:
    """Whether any of these places lies between two frames."""
    return any(bool((one != np.rint(one)).any()) for one in places)

"""What a field is, beside its numbers: carried from the files to the model and from the model to what it makes.

A network sees each channel as `(value - centre) / spread`, and 0 where a value is missing.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float

from framefall.ranges import Rate, listed, within

Values = Float[np.ndarray, "*rest channels frames height width"]  # physical; NaN is missing
DTYPES = ("uint8", "uint16", "float32")  # that are kept; any other real number becomes float32
DATES = "datetime"  # the unit of times that are dates: seconds since 1970, in UTC
_WORDS = Annotated[str, listed(400)]
_Number = Annotated[float, within(-3.5e38, 3.5e38)]  # that float32 has


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One quantity, and the scale on which networks see it."""

    name: _WORDS
    units: _WORDS = ""
    centre: _Number = 0.0  # the mean of the training data
    spread: Annotated[float, within(1e-30, 1e30)] = 1.0  # and twice their standard deviation


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Where the pixels of an axis lie."""

    name: _WORDS
    units: _WORDS = ""
    values: Annotated[list[float], listed(100_000)]

    def part(self, begin: float, end: float, count: int) -> "Axis":
        """The axis of `count` pixels that together cover those from `begin` to `end` of this one."""
        if (begin, end, count) == (0, len(self.values), len(self.values)):
            return self
        places = begin + (np.arange(count) + 0.5) * (end - begin) / count - 0.5
        values = np.asarray(self.values)
        found = np.interp(places, np.arange(len(values)), values)
        if len(values) > 1:  # beyond the middle of the outermost pixels it goes on as it came
            found = np.where(places < 0, values[0] + places * (values[1] - values[0]), found)
            beyond = places - (len(values) - 1)
            found = np.where(beyond > 0, values[-1] + beyond * (values[-1] - values[-2]), found)
        return replace(self, values=[float(value) for value in found])


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How time is told: `step` units of it lie between two frames of the files."""

    name: _WORDS = "time"
    units: _WORDS = ""  # `DATES`, or whatever the files say
    step: Annotated[float, within(0, 1e30)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Field:
    """Names, units and scales of the channels, the coordinates, and the type in files."""

    channels: Annotated[list[Channel], listed(1024)]
    rows: Axis
    columns: Axis
    clock: Clock = field(default_factory=Clock)
    dtype: Literal["uint8", "uint16", "float32"] = "float32"
    missing: _Number | None = None  # what stands in files of whole numbers for a missing one; float32 has NaN
    rate: Rate = 24.0  # what networks take the files' frames for, in frames a second

    def __post_init__(self) -> None:
        if not self.channels:
            raise ValueError("a field must have a channel, got none; name one")
        names = [channel.name for channel in self.channels]
        if twice := next((name for name, count in Counter(names).items() if count > 1), None):
            raise ValueError(f"channels must have names of their own, got {twice!r} twice; rename one")
        least, most = 0, 2.0**16 - 1 if self.dtype == "uint16" else 255.0
        if self.missing is not None and self.dtype != "float32" and not least <= self.missing <= most:
            raise ValueError(f"missing must be a number that {self.dtype} has, got {self.missing:g}; or leave it out")

    @property
    def names(self) -> list[str]:
        """Of the channels."""
        return [channel.name for channel in self.channels]

    @property
    def quantities(self) -> list[str]:
        """The channels with their units, as one reads them: `u (m/s)`."""
        return [f"{one.name} ({one.units})" if one.units else one.name for one in self.channels]

    def scaled(self, values: Values) -> Values:
        """Physical values as networks see them; what is missing stays NaN."""
        return ((values - self._over(values, "centre")) / self._over(values, "spread")).astype(np.float32)

    def physical(self, values: Values) -> Values:
        """What networks make, as physical values."""
        wide = values.astype(np.float64)
        return (wide * self._over(wide, "spread") + self._over(wide, "centre")).astype(np.float32)

    def with_scale(self, other: "Field") -> "Field":
        """The same with the scales of another field of these channels."""
        scales = {one.name: (one.centre, one.spread) for one in other.channels}
        channels = [
            replace(one, centre=scales[one.name][0], spread=scales[one.name][1]) if one.name in scales else one
            for one in self.channels
        ]
        return replace(self, channels=channels)

    def check_channels(self, counts: Iterable[int]) -> None:
        """Refuses stages that make more or fewer channels than it has."""
        if odd := [count for count in counts if count != len(self.channels)]:
            raise ValueError(f"a model of {', '.join(self.names)} must have as many channels, got {odd[0]}")

    def check_alike(self, other: "Field", what: str, whose: str) -> None:
        """Refuses another field whose channels or times mean something else."""
        ours = [(one.name, one.units) for one in self.channels]
        theirs = [(one.name, one.units) for one in other.channels]
        if ours != theirs:
            raise ValueError(
                f"{what} must have the channels of {whose}, {', '.join(self.quantities)}, got"
                f" {', '.join(other.quantities)}; rename or convert them"
            )
        if (self.clock.units == DATES) != (other.clock.units == DATES) or (
            other.clock.units and self.clock.units and self.clock.units != other.clock.units
        ):
            raise ValueError(
                f"{what} must tell time as {whose} does, in {self.clock.units or 'no unit'},"
                f" got {other.clock.units or 'no unit'}; convert it"
            )

    def _over(self, values: Values, name: str) -> np.ndarray:
        """A number of each channel, laid along the channels of some values."""
        return np.array([getattr(one, name) for one in self.channels], np.float64).reshape(-1, 1, 1, 1)


class Scales:
    """Mean and deviation of each channel, from blocks of physical values as they are read."""

    def __init__(self, channels: int) -> None:
        self._count, self._mean, self._squares = (np.zeros(channels) for _ in range(3))

    def add(self, values: Float[np.ndarray, "channels frames height width"]) -> None:
        """Counts a block in; missing values count nothing."""
        for channel, some in enumerate(values):  # Chan et al. 1979: exact also far from 0
            own = some[np.isfinite(some)].astype(np.float64)
            if not own.size:
                continue
            before, mean = self._count[channel], own.mean()
            total, moved = before + own.size, mean - self._mean[channel]
            self._squares[channel] += ((own - mean) ** 2).sum() + moved**2 * before * own.size / total
            self._mean[channel] += moved * own.size / total
            self._count[channel] = total

    def of(self, field: Field) -> Field:
        """The field with these scales; a `ValueError` for a channel without a value."""
        channels = []
        for channel, count, mean, squares in zip(field.channels, self._count, self._mean, self._squares, strict=True):
            if not count:
                raise ValueError(f"each channel must have a value, and all of {channel.name} are missing; leave it out")
            spread = 2 * math.sqrt(squares / count)
            channels.append(replace(channel, centre=float(mean), spread=spread if spread > 1e-30 else 1.0))
        return replace(field, channels=channels)


def numbered(count: int, name: str) -> Axis:
    """The axis of pixels of which nothing is known but how many there are."""
    return Axis(name=name, values=[float(value) for value in range(count)])


def kept_dtype(dtype: np.dtype) -> Literal["uint8", "uint16", "float32"]:
    """The type in which numbers of a type are kept; a `ValueError` for what are no real numbers."""
    if dtype.kind not in "uif":
        raise ValueError(f"it holds {dtype} and not real numbers")
    return "uint8" if dtype == np.uint8 else "uint16" if dtype == np.uint16 else "float32"


def stored(values: Values, field: Field) -> np.ndarray:
    """Physical values in the type of the files: whole numbers are rounded, and kept within what the type has."""
    if field.dtype == "float32":
        return values.astype(np.float32)
    most = np.iinfo(field.dtype).max
    absent = np.isnan(values)
    if absent.any() and field.missing is None:
        raise ValueError(
            f"a missing value needs a number that stands for it among {field.dtype}, and the field names none;"
            " write floats, or name one (_FillValue)"
        )
    whole = np.clip(np.rint(np.where(absent, 0.0, values)), 0, most)
    if field.missing is not None:
        beside = field.missing + 1 if field.missing < most else field.missing - 1  # a value that is there is no gap
        whole = np.where(absent, field.missing, np.where(whole == field.missing, beside, whole))
    return whole.astype(field.dtype)


def clipped(values: Values, field: Field) -> float:
    """The share of values that lie beyond what the type of the files has."""
    if field.dtype == "float32":
        return 0.0
    seen = values[~np.isnan(values)]
    beyond = (seen < -0.5) | (seen > np.iinfo(field.dtype).max + 0.5)
    return float(beyond.mean()) if seen.size else 0.0

"""What stands beside numbers in formats that have no words for it: in a JSON file, or in a TIFF's description."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from framefall import bounded
from framefall.config import from_dict, to_dict
from framefall.data.fields.field import Axis, Channel, Clock, Field, kept_dtype, numbered
from framefall.data.fields.recording import FieldError, Times, usual_step
from framefall.ranges import listed

KEY = "field"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Any part of a field's description, and its times; what is not said is numbered."""

    channels: Annotated[list[Channel], listed(1024)] | None = None
    rows: Axis | None = None
    columns: Axis | None = None
    clock: Clock | None = None
    missing: float | None = None
    times: Annotated[list[float], listed(10_000_000)] | None = None

    def field(self, path: object, dtype: np.dtype, shape: tuple[int, int, int, int]) -> tuple[Field, Times]:
        """The description of an array `[frames, channels, height, width]`, and when its frames are."""
        frames, channels, height, width = shape
        own = self.channels or [Channel(name=f"channel{number}") for number in range(channels)]
        rows, columns = self.rows or numbered(height, "y"), self.columns or numbered(width, "x")
        clock = self.clock or Clock()
        times = np.asarray(self.times, np.float64) if self.times else np.arange(frames) * (clock.step or 1.0)
        found = {"channels": len(own), "rows": len(rows.values), "columns": len(columns.values), "times": len(times)}
        there = {"channels": channels, "rows": height, "columns": width, "times": frames}
        for name, count in found.items():
            if count != there[name]:
                raise FieldError(path, f"its description has {count} {name}, and its numbers {there[name]}")
        try:
            made = Field(
                channels=own,
                rows=rows,
                columns=columns,
                clock=Clock(name=clock.name, units=clock.units, step=usual_step(times) or clock.step),
                dtype=kept_dtype(dtype),
                missing=self.missing,
            )
        except ValueError as error:
            raise FieldError(path, str(error)) from None
        return made, times


def parsed(text: str | bytes, path: object) -> Beside:
    """What a JSON text says under `field`; nothing where it says nothing."""
    try:
        values = bounded.parse(text if isinstance(text, bytes) else text.encode())
    except ValueError as error:
        raise FieldError(path, f"what is said beside it is no JSON ({error})") from None
    said = values.get(KEY) if isinstance(values, dict) else None
    if said is None:
        return Beside()
    try:
        return from_dict(Beside, said, origin="its description")
    except ValueError as error:
        raise FieldError(path, str(error)) from None


def written(field: Field, times: Times, tags: dict[str, Any]) -> str:
    """The JSON that `parsed` reads, with other tags before it."""
    beside = Beside(
        channels=field.channels,
        rows=field.rows,
        columns=field.columns,
        clock=field.clock,
        missing=field.missing,
        times=[float(time) for time in times],
    )
    return json.dumps({**tags, KEY: to_dict(beside)}, indent=2) + "\n"


def without_missing(values: np.ndarray, missing: float | None) -> np.ndarray:
    """Numbers of a file as float32, NaN where they stand for a missing one."""
    found = values.astype(np.float32)
    if missing is not None:
        found[values == missing] = np.nan
    found[np.isinf(found)] = np.nan
    return found

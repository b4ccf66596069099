"""Rows of scores as a plain-text table and as one JSON object."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from framefall.evaluate.metrics.suite import Row, protocol
from framefall.jsonable import json_text

_HEADER = ("metric", "value", "95% interval", "n", "better", "unit", "real video")


def table(rows: Sequence[Row]) -> str:
    """The rows in aligned columns; what could be measured in no clip is named below them."""
    lines = [_HEADER, *(_cells(row) for row in rows if row.n)]
    absent = [row.metric for row in rows if not row.n]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    text = "\n".join(line.rstrip() for line in padded) + "\n"
    return text + (f"not measurable in any clip: {', '.join(absent)}\n" if absent else "")


def to_json(rows: Sequence[Row], meta: Mapping[str, Any] | None = None) -> str:
    """One JSON object: `meta` as it is, `protocol`, `n` clips, and `metrics` by name; NaN becomes null."""
    metrics = {
        row.metric: {
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "n": row.n,
            "not_measurable": row.clips - row.n,
            "better": row.better,
            "unit": row.unit,
            "floor": row.floor,
            "per_clip": row.per_clip,
        }
        for row in rows
    }
    clips = max((row.clips for row in rows), default=0)
    return json_text({**(meta or {}), "protocol": protocol(), "n": clips, "metrics": metrics})


def _cells(row: Row) -> tuple[str, ...]:
    value, span = _number(row.value), f"{_number(row.low)} .. {_number(row.high)}"
    n = str(row.n) if row.n == row.clips else f"{row.n}, not measurable ({row.clips - row.n} of {row.clips})"
    floor = "" if math.isnan(row.floor) else _number(row.floor)
    return row.metric, value, span, n, f"{_ARROW[row.better]} {row.better}", row.unit, floor


_ARROW = {"lower": "↓", "higher": "↑", "one": "→1"}


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"

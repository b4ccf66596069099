"""A benchmark's result: one JSON object, and the same to read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from framefall.jsonable import jsonable
from framefall.provenance import commit, machine

HEAD = ("name", "machine", "commit", "protocol")


def report(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a benchmark."""
    values = {"name": name, "machine": machine(), "commit": commit(), "results": {}, "ratios": {}, **found}
    return dict(jsonable(values))


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """A benchmark's result to read: its `table` if it has one, and what stands `beside`, or a number a line with its
    spread; what has equal columns (presets) is a table as well.
    """
    for key, value in result.items():
        if key in HEAD:
            yield f"{key:<32} {value if isinstance(value, str) else ', '.join(f'{k} {v}' for k, v in value.items())}"
    if (rows := result.get("table") or _rows(result.get("results", {}))) is not None:
        for part in (rows, result.get("beside")):
            if part:
                yield ""
                yield from aligned(part)
        return
    for key, value in result.items():
        if key not in HEAD and isinstance(value, Mapping):
            yield from _values(key, value)


def aligned(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Rows of equal keys as a table; numbers to the right, columns in which nothing stands left out."""
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    columns = [name for name in rows[0] if any(cell[name] not in ("", "0") for cell in cells)]
    widths = {name: max(len(name), *(len(cell[name]) for cell in cells)) for name in columns}
    right = {name for name in columns if all(isinstance(row[name], int | float) for row in rows)}

    def line(cell: Mapping[str, str]) -> str:
        parts = (
            cell[name].rjust(widths[name]) if name in right else cell[name].ljust(widths[name]) for name in columns
        )
        return "  ".join(parts).rstrip()

    yield line({name: name for name in columns})
    yield from map(line, cells)


def _rows(results: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of results that are two names deep and alike; none of others."""
    groups = [group for group in results.values() if isinstance(group, Mapping)]
    rows = [
        (name, part, row)
        for name, group in results.items()
        if isinstance(group, Mapping)
        for part, row in group.items()
    ]
    plain = all(
        isinstance(row, Mapping) and not any(isinstance(one, Mapping) for one in row.values()) for *_, row in rows
    )
    if len(groups) != len(results) or not rows or not plain or len({tuple(row) for *_, row in rows}) > 1:
        return None
    return [{"": name, "stage": part, **row} for name, part, row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _values(path: str, values: Mapping[str, Any]) -> Iterator[str]:
    middle = values.get("value", values.get("median"))
    if "low" in values and "high" in values:
        count = f", n = {values['n']}" if "n" in values else ""
        text = "not measurable" if middle is None else f"{middle:.4g} ({values['low']:.4g} .. {values['high']:.4g})"
        yield f"{path:<64} {text}{count}"
        return
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _values(f"{path}.{key}", value)
        elif isinstance(value, float):
            yield f"{path + '.' + key:<64} {value:.4g}"
        elif value is not None:
            yield f"{path + '.' + key:<64} {value}"

"""A benchmark's result: one JSON object, and the same to read."""

from collections.abc import Iterator, Mapping
from typing import Any

from framefall.jsonable import jsonable
from framefall.provenance import commit, machine


def report(name: str, results: Mapping[str, Any], ratios: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a benchmark."""
    values = {"name": name, "machine": machine(), "commit": commit(), "results": results, "ratios": ratios}
    return dict(jsonable(values))


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """A benchmark's result to read: a number a line, with its spread."""
    for key, value in result.items():
        if key in ("name", "machine", "commit", "protocol"):
            yield f"{key:<32} {value if isinstance(value, str) else ', '.join(f'{k} {v}' for k, v in value.items())}"
        elif isinstance(value, Mapping):
            yield from _values(key, value)


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

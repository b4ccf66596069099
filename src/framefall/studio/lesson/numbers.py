"""How numbers are written on the page: the same here and in `static/lesson/numbers.js`."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

DIGITS = 6  # significant, of numbers in an example's JSON


def shortened(value: Any) -> Any:
    """The same JSON with every number that is not whole cut to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [shortened(one) for one in value]
    return value


def formatted(value: Any, form: str) -> str:
    """A number as the page writes it: `d2` with two decimals, `p0` as a share in per cent, `s` as it is.

    Thousands are parted by commas, halves are rounded up, and what could not be measured is a dash.
    """
    if value is None:
        return "\u2013"
    if form == "s":
        return str(value)
    kind, places = form[0], int(form[1:])
    if kind not in "dp":
        raise ValueError(f"a form must be s, or d or p and a number of decimals, got {form!r}; try d2")
    number = Decimal(repr(float(value))) * (100 if kind == "p" else 1)
    text = f"{number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):,}"
    return text + ("%" if kind == "p" else "")


def found(examples: Mapping[str, Any], path: str) -> Any:
    """The value at `time-fusion:clips.0.flicker`: an example, then keys and places."""
    name, _, rest = path.partition(":")
    value: Any = examples[name]
    for part in rest.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value

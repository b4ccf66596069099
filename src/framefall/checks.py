"""What a number or a text must be. One sentence says so, whoever asks."""

import math
from numbers import Integral, Real


def number(
    name: str,
    value: object,
    *,
    least: int | float = -math.inf,
    most: int | float = math.inf,
    above: int | float = -math.inf,
    example: int | float | None = None,
) -> None:
    """Refuses what is no finite number of `least`..`most`, or not `above` a bound."""
    real = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    if real and least <= value <= most and value > above:  # type: ignore[operator]
        return
    parts = [f"above {above:g}"] if above > -math.inf else []
    parts += [f"of at least {least:g}"] if least > -math.inf else []
    parts += [f"at most {most:g}"] if most < math.inf else []
    within = " and ".join(parts)
    hint = "" if example is None else f"; try {example:g}"
    raise ValueError(f"{name} must be a finite number{' ' if within else ''}{within}, got {value!r}{hint}")


def whole(name: str, value: object, least: int | None = None) -> None:
    """Refuses what is no whole number, or less than `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and int(value) < least):
        lowest = "" if least is None else f" of at least {least}"
        raise ValueError(f"{name} must be a whole number{lowest}, got {value!r}")


def characters(name: str, text: str) -> None:
    """Refuses text with half of a character in it, or with a byte that the system could not read as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        place = error.start + 1
        raise ValueError(
            f"{name} must be whole characters, got half of one, or a byte that is not UTF-8, as character {place} of"
            f" {text[:60]!r}; write it again, in UTF-8"
        ) from None

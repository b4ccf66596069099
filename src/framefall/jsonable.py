"""Results as JSON, which has no word for NaN, for infinity or for a dataclass: one rule for every file and command."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np


def jsonable(value: Any) -> Any:
    """The same in what JSON has: numbers that are not finite are None, dataclasses objects, paths and keys text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: jsonable(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, str | int | None):  # a bool is an int
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence | AbstractSet):
        return [jsonable(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a result must be made of what JSON has, got {type(value).__name__}")


def json_text(value: Any) -> str:
    """One readable JSON document, with a line feed at its end."""
    return json.dumps(jsonable(value), indent=2, allow_nan=False) + "\n"

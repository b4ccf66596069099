import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from framefall.jsonable import json_text, jsonable


@dataclass(frozen=True)
class Point:
    x: float
    where: Path


def test_what_json_has_no_word_for_becomes_what_it_has() -> None:
    value = {1: (math.nan, math.inf, 2.5, True, None), "point": Point(-math.inf, Path("a/b")), "row": np.float32(0.5)}
    expected = {"1": [None, None, 2.5, True, None], "point": {"x": None, "where": "a/b"}, "row": 0.5}
    assert jsonable(value) == expected
    assert json.loads(json_text(value)) == expected


def test_plain_values_come_back_as_they_were() -> None:
    plain = {"a": [1, 2.25, "NaN", {"b": False}], "c": None}
    assert jsonable(plain) == plain and json.loads(json_text(plain)) == plain


def test_arrays_are_lists_with_none_for_nan() -> None:
    assert jsonable(np.array([[1.0, np.nan], [3.0, 4.0]])) == [[1.0, None], [3.0, 4.0]]


def test_what_is_no_value_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="made of what JSON has, got function"):
        json_text({"call": json_text})

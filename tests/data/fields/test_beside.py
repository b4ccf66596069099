"""What stands beside numbers is checked before anybody believes it."""

import json

import numpy as np
import pytest

from framefall.data.fields.beside import Beside, parsed, without_missing, written
from framefall.data.fields.field import Channel
from framefall.data.fields.recording import FieldError

SHAPE = (3, 1, 4, 5)


def test_what_is_written_is_parsed() -> None:
    said = Beside(channels=[Channel(name="u", units="m/s")], missing=3.0, times=[0.0, 2.0, 5.0])
    field, times = said.field("a", np.dtype(np.uint8), SHAPE)
    again, later = parsed(written(field, times, {"title": "x"}), "a").field("a", np.dtype(np.uint8), SHAPE)
    assert again == field and later.tolist() == [0, 2, 5]
    assert parsed(json.dumps({"title": "x"}), "a") == Beside() and parsed("[]", "a") == Beside()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON"),
        ('{"field": {"channels": [{"nme": "u"}]}}', "its description does not fit"),
        ('{"field": {"channels": [{"name": "u"}, {"name": "v"}]}}', "has 2 channels, and its numbers 1"),
        ('{"field": {"times": [0, 1]}}', "has 2 times, and its numbers 3"),
        ('{"field": {"times": [0, 1, 1]}}', "times must increase"),
        ('{"field": {"missing": 300}}', "must be a number that uint8 has"),
    ],
)
def test_what_does_not_fit_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FieldError, match=sentence) as caught:
        parsed(text, "a.npy").field("a.npy", np.dtype(np.uint8), SHAPE)
    assert str(caught.value).startswith("a.npy cannot be read: ")


def test_infinity_is_no_value() -> None:
    found = without_missing(np.array([1.0, np.inf, -np.inf, 9.0]), 9.0)
    assert np.isnan(found[1:]).all() and found.dtype == np.float32

"""Numbers of the lesson: how they are written and found."""

import pytest

from framefall.studio.lesson.numbers import formatted, found, shortened


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.125, "d2", "0.13"),
        (2.5, "d0", "3"),
        (1234567.0, "d0", "1,234,567"),
        (0.285, "p0", "29%"),
        (0.07, "p1", "7.0%"),
        (None, "d3", "\u2013"),
        ("a box", "s", "a box"),
        (3, "d1", "3.0"),
    ],
)
def test_a_number_is_written_by_its_form(value, form, text):
    assert formatted(value, form) == text


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="a form must be"):
        formatted(1.0, "x2")


def test_numbers_are_cut_to_six_digits_and_whole_ones_stay():
    assert shortened({"a": [0.123456789, 12345678], "b": "c", "d": None}) == {
        "a": [0.123457, 12345678],
        "b": "c",
        "d": None,
    }


def test_a_path_finds_its_value():
    assert found({"one": {"rows": [{"a": 1}, {"a": 2}]}}, "one:rows.1.a") == 2

import math
from fractions import Fraction

import numpy as np
import pytest

from framefall.checks import characters, number, whole


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, False, None, "1", [1.0], 1j, np.bool_(True)])
def test_what_is_no_finite_number_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(ValueError, match=r"^scale must be a finite number, got .*; try 2\.5$") as refused:
        number("scale", value, example=2.5)
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=r"^steps must be a whole number, got "):
        whole("steps", value)


@pytest.mark.parametrize("value", [0, -1, 2.5, np.float32(1.5), np.int64(3), Fraction(1, 3)])
def test_any_kind_of_finite_number_will_do(value: object) -> None:
    number("scale", value)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "said"),
    [
        ({"least": 0}, [0, 7.5], [-1e-9], "of at least 0"),
        ({"above": 0}, [1e-9], [0, -1], "above 0"),
        ({"least": 0, "most": 1}, [0, 1], [-0.1, 1.1], "of at least 0 and at most 1"),
        ({"above": 0, "most": 100}, [100], [0.0, 100.5], "above 0 and at most 100"),
    ],
)
def test_a_range_has_its_ends_and_the_sentence_says_it(bounds: dict, inside: list, outside: list, said: str) -> None:
    for value in inside:
        number("x", value, **bounds)
    for value in outside:
        with pytest.raises(ValueError, match=f"^x must be a finite number {said}, got {value}$"):
            number("x", value, **bounds)


def test_a_whole_number_has_a_least() -> None:
    whole("count", 1, 1)
    whole("seed", -3)
    for value, least in ((0, 1), (1.0, None), (2.5, 1)):
        with pytest.raises(ValueError, match="count must be a whole number"):
            whole("count", value, least)


@pytest.mark.parametrize("text", ["\ud83d", "a lantern \udd25", b"caf\xe9".decode("utf-8", "surrogateescape")])
def test_half_of_a_character_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a prompt must be whole characters, got half of one") as refused:
        characters("a prompt", text)
    str(refused.value).encode()
    characters("a prompt", "a lantern 🔥, déjà vu")

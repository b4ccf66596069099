"""Bars: which way is better, what is not measured, and what chance may give."""

import math
from dataclasses import replace
from typing import Any

from framefall.bench.worlds.table import NOTHING, QUANTITIES, Quantity, beside, checks, said, table
from framefall.metric import Interval

BY_WORDS = {one.words: one for one in QUANTITIES}


def around(value: float, half: float = 0.1, n: int = 9) -> Interval:
    return Interval(value, value - half, value + half, n)


def put(results: dict[str, Any], one: Quantity, value: Interval) -> None:
    """Where a quantity is looked for."""
    here = results["id"]
    for name in (*one.place, *one.path[:-1]):
        here = here.setdefault(name, {})
    here[one.path[-1]] = value


def test_a_quantity_at_its_aim_reaches_it_and_a_step_behind_its_bar_does_not() -> None:
    for one in QUANTITIES:
        behind = 1 if one.lower else -1
        for value, verdict in ((one.aim, "aim"), (one.least, "yes"), (one.least + 0.5 * behind, "NO")):
            results: dict[str, Any] = {"id": {}}
            put(results, one, around(value))
            (found,) = (check for check in checks(results) if check["quantity"] == one.words)
            assert found["reaches"] == ("aim" if one.least == one.aim and verdict == "yes" else verdict), one.words
        turned = replace(one, lower=not one.lower)  # the broken control: the other way is the better one
        assert turned.reaches(around(one.least + 0.5 * behind)) != "NO"


def test_what_chance_gives_is_no_copying_and_more_is() -> None:
    one = BY_WORDS["nearer to training clips than held-out clips, content"]
    assert one.reaches(Interval(0.09, 0.02, 0.2, 60)) == "aim"
    assert one.reaches(Interval(0.20, 0.11, 0.3, 60)) == "NO"
    assert replace(one, by_chance=False).reaches(Interval(0.09, 0.02, 0.2, 60)) == "NO"


def test_a_few_kinds_of_violations_say_nothing() -> None:
    one = BY_WORDS["violation of expectation, error"]
    assert one.reaches(around(0.1, n=7)) == "too few" and one.reaches(around(0.1, n=8)) == "aim"


def test_what_is_not_measured_reaches_nothing_and_says_so() -> None:
    rows = table(checks({"id": {"permanence": NOTHING}}))
    assert {row["reached"] for row in rows} == {"not measured"} and {row["model (95%)"] for row in rows} == {"-"}


def test_references_stand_beside_the_model() -> None:
    text = {"caption_exact": around(0.5), "references": {"renderer": {"caption_exact": around(0.98)}}}
    row = next(row for row in table(checks({"id": {"text": text}})) if row["quantity"] == "caption obeyed exactly")
    assert (row["model (95%)"], row["renderer"], row["nearest training clip"]) == ("50% (40% .. 60%)", "98%", "-")
    assert (row["at least"], row["aim"], row["reached"], row["n"]) == (">= 80%", ">= 95%", "NO", "9")


def test_numbers_are_said_in_their_unit() -> None:
    assert said(Interval(0.5, 0.25, 0.75, 4), "dB") == "+0.50 (+0.25 .. +0.75)"
    assert said(Interval(90.46, 86.0, 94.0, 60), "") == "90.5 (86.0 .. 94.0)"
    assert said(Interval(math.nan, math.nan, math.nan, 0), "%") == "-"


def test_other_splits_stand_side_by_side() -> None:
    values = {
        name: around(0.5)
        for name in (
            "physics_score", "strict_pass", "permanence", "relative_velocity_error", "gravity_within_10_percent",
            "reappearance", "violation_of_expectation_error", "caption_exact", "flicker_over_real", "stutter_over_real",
        )
    }  # fmt: skip
    rows = beside({"id": values, "comb": values})
    assert len(rows) == len(values) and set(rows[0]) == {"split", "id", "comb"}

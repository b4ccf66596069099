"""The physics score of tables done by hand."""

import math
from itertools import product

import pytest

from framefall.physics.score import EPSILON, Anchor, LawRow, floor_of, physics_score, quality, strict_pass

ANCHOR = Anchor(floor=1.0, ceiling=0.01)
ANCHORS = {("fall", law): ANCHOR for law in ("gravity", "restitution", "permanence")} | {
    ("uniform", "ballistic"): ANCHOR
}


def rows(law: str, values: list[float], scenario: str = "fall", **gates: float) -> list[LawRow]:
    return [LawRow(f"clip {index}", scenario, law, value, **gates) for index, value in enumerate(values)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("error", "q"), [(1.0, 0.0), (0.1, 0.5), (0.01, 1.0), (2.0, 0.0), (0.0, 1.0)])
def test_quality_goes_from_floor_to_ceiling_by_the_logarithm(error: float, q: float) -> None:
    assert quality(error, ANCHOR) == pytest.approx(q)


def test_a_perfect_ceiling_is_as_good_as_the_smallest_error() -> None:
    assert quality(EPSILON, Anchor(1.0, 0.0)) == 1.0
    assert quality(math.sqrt(EPSILON), Anchor(1.0, 0.0)) == pytest.approx(0.5)


def test_a_law_that_a_trivial_predictor_keeps_tells_nothing() -> None:
    assert math.isnan(quality(0.1, Anchor(0.01, 0.01)))
    found = physics_score(rows("gravity", [0.1, 0.1]), {("fall", "gravity"): Anchor(0.01, 0.02)})
    assert math.isnan(found.score.value)
    assert found.silent == (("fall", "gravity"),)


def test_the_floor_is_the_best_trivial_predictor() -> None:
    assert floor_of({"frozen": [1.0, 1.0], "inertia": [0.4, 0.6, math.nan], "none": [math.nan]}) == 0.5
    assert math.isnan(floor_of({}))


def test_the_score_of_a_table_done_by_hand() -> None:
    table = rows("gravity", [0.1, 0.01]) + rows("restitution", [0.1, 0.1]) + rows("ballistic", [0.01], "uniform")
    found = physics_score(table, ANCHORS)
    assert found.scenarios["fall"].laws == pytest.approx({"gravity": 0.75, "restitution": 0.5})
    assert found.scenarios["fall"].value == pytest.approx(math.sqrt(0.75 * 0.5))
    assert found.score.value == pytest.approx(100 * (math.sqrt(0.375) + 1) / 2)
    assert found.score.low <= found.score.value <= found.score.high
    assert found.score.n == 3


def test_what_is_better_high_is_scored_by_what_it_lacks() -> None:
    found = physics_score(rows("permanence", [0.9]), ANCHORS)
    assert found.scenarios["fall"].laws["permanence"] == pytest.approx(0.5)


def test_a_law_at_zero_cannot_be_traded() -> None:
    found = physics_score(rows("gravity", [0.01]) + rows("permanence", [0.0]), ANCHORS)
    assert found.score.value == 0.0


@pytest.mark.parametrize(
    "gates",
    [
        {"coverage": 0.89},
        {"coverage": math.nan},
        {"count_right": False},
        {"dynamic_ratio": 0.2},
        {"dynamic_ratio": 4.1},
    ],
)
def test_a_clip_that_fails_a_gate_counts_nothing(gates: dict[str, float]) -> None:
    assert physics_score(rows("gravity", [0.01], **gates), ANCHORS).score.value == 0.0
    assert strict_pass(rows("gravity", [0.01], **gates)).value == 0.0
    assert physics_score(rows("gravity", [0.01], coverage=0.9, dynamic_ratio=4.0), ANCHORS).score.value == 100.0


def test_what_does_not_apply_to_a_clip_is_left_out_and_a_failed_one_is_not() -> None:
    found = physics_score(rows("gravity", [0.01, math.nan, 3.0]), ANCHORS)
    assert found.scenarios["fall"].laws["gravity"] == pytest.approx(0.5)


def test_a_law_counts_only_where_it_is_a_law() -> None:
    found = physics_score(rows("gravity", [0.01], "pendulum"), {("pendulum", "gravity"): ANCHOR})
    assert found.scenarios == {}
    assert strict_pass(rows("gravity", [3.0], "pendulum")).value == 1.0


def test_the_interval_is_seeded_and_does_not_depend_on_the_order() -> None:
    table = rows("gravity", [0.01 * 1.3**k for k in range(16)]) + rows(
        "restitution", [0.01 + 0.003 * k**2 for k in range(16)]
    )
    one, two = physics_score(table, ANCHORS), physics_score(table[::-1], ANCHORS)
    assert one == two
    assert one.score.low < one.score.value < one.score.high
    assert physics_score(table, ANCHORS, seed=1).score != one.score
    more = [LawRow(f"{row.clip} {turn}", row.scenario, row.law, row.value) for row, turn in product(table, range(8))]
    wide, narrow = one.score, physics_score(more, ANCHORS).score
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)


def test_the_strict_pass_rate_needs_every_law_of_a_clip() -> None:
    table = rows("gravity", [0.05, 0.05, 0.05, 0.2]) + rows("permanence", [1.0, 1.0, 0.9, 1.0])
    found = strict_pass(table)
    assert found.value == 0.5
    assert found.n == 4
    assert 0.1 < found.low < 0.5 < found.high < 0.9
    assert math.isnan(strict_pass([]).value)


def test_all_passing_of_few_is_not_sure() -> None:
    found = strict_pass(rows("gravity", [0.0] * 4))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.4 < found.low < 0.6

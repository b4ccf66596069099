"""AUROC and detection against known answers, and bands that turn red."""

import math

import numpy as np
import pytest

from framefall.evaluate.certify.validity import auroc, certify, detection, markdown, threshold


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auroc([0.0, 1.0], [2.0, 3.0], "lower") == 1.0
    assert auroc([0.0, 1.0], [2.0, 3.0], "higher") == 0.0
    assert auroc([1.0, 1.0], [1.0], "lower") == 0.5  # ties count half
    assert auroc([0.0, 2.0], [1.0], "lower") == 0.5
    assert math.isnan(auroc([], [1.0], "lower"))


def test_auroc_of_two_shifted_gaussians_is_the_closed_form() -> None:
    draws = np.random.default_rng(0).normal(size=(2, 2000))
    expected = 0.5 * (1 + math.erf(1.0 / 2))  # Phi(shift / sqrt 2) for a shift of 1
    assert auroc(list(draws[0]), list(draws[1] + 1.0), "lower") == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_at_most_two_percent_of_each_group_lie_beyond_the_threshold(better: str) -> None:
    groups = [list(np.random.default_rng(seed).normal(seed, 1.0, 300)) for seed in range(3)]
    limit = threshold(groups, better)
    assert max(detection(group, limit, better) for group in groups) <= 0.02
    assert detection([100.0 if better == "lower" else -100.0], limit, better) == 1.0
    assert math.isnan(threshold([[], [math.nan]], better))


def _draws(shift: float, seed: int, n: int = 40) -> list[float]:
    return list(np.random.default_rng(seed).normal(shift, 1.0, n))


def test_cells_keep_to_their_bands_and_leave_them() -> None:
    better = {"sees": "lower", "blind": "lower"}
    real = {"sees": _draws(0, 1), "blind": _draws(0, 2)}
    damaged = {"teleport": {"sees": _draws(20, 3), "blind": _draws(0, 4)}}
    placebos = {"noise": {"sees": _draws(0, 5), "blind": _draws(0, 6)}}
    bands = {("teleport", "sees"): "must_detect", ("teleport", "blind"): "must_detect"}
    cells = {(c.damage, c.metric): c for c in certify(real, damaged, placebos, better, bands)}
    assert cells["teleport", "sees"].inside
    assert cells["teleport", "sees"].auroc == 1.0
    assert not cells["teleport", "blind"].inside  # it promised to detect, and is blind
    assert cells["noise", "sees"].inside


def test_a_placebo_that_moves_a_metric_only_where_it_was_not_calibrated_leaves_its_band() -> None:
    real = {"m": _draws(0, 1)}
    loud = [value + 9 * (place % 2) for place, value in enumerate(_draws(0, 2))]  # loud on the judged half alone
    placebos = {f"quiet{i}": {"m": _draws(0, 10 + i, 400)} for i in range(5)} | {"loud": {"m": loud}}
    cells = {c.damage: c for c in certify(real, {}, placebos, {"m": "lower"}, {})}
    assert not cells["loud"].inside
    assert all(cells[f"quiet{i}"].inside for i in range(5))


def test_damage_that_is_no_louder_than_a_placebo_is_not_detected() -> None:
    real, noise = {"m": _draws(0, 1)}, {"m": _draws(9, 2)}
    damaged = {"teleport": {"m": _draws(9, 3)}}
    cells = {c.damage: c for c in certify(real, damaged, {"noise": noise}, {"m": "lower"}, {})}
    assert cells["teleport"].auroc == 1.0  # AUROC alone would flatter it
    assert cells["teleport"].detection < 0.2


def test_a_cell_that_cannot_be_measured_does_not_detect() -> None:
    nothing = {"m": [math.nan] * 40}
    cell = certify({"m": _draws(0, 1)}, {"vanish": nothing}, {}, {"m": "lower"}, {("vanish", "m"): "must_detect"})[0]
    assert cell.n == 0
    assert not cell.inside


def test_a_metric_that_prefers_the_damage_is_gameable() -> None:
    cell = certify({"m": _draws(0, 1)}, {"freeze": {"m": [-50.0] * 20}}, {}, {"m": "lower"}, {})[0]
    assert cell.gameable
    assert cell.inside  # not forbidden: it may stand beside its gate


def test_the_matrix_marks_what_left_its_band() -> None:
    real = {"m": _draws(0, 1)}
    text = markdown(
        certify(real, {"vanish": {"m": _draws(0, 2)}}, {}, {"m": "lower"}, {("vanish", "m"): "must_detect"})
    )
    assert "**●" in text
    assert text.count("\n") == 3

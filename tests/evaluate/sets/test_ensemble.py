"""Scores of ensembles against answers that are known, and ensembles that each score must find wanting."""

import math

import numpy as np
import pytest

from framefall.evaluate.sets.ensemble import crps, flatness, rank_histogram, score, spread_skill

N, MEMBERS = 20_000, 16


def drawn(spread: float = 1.0, bias: float = 0.0, members: int = MEMBERS) -> tuple[np.ndarray, np.ndarray]:
    """What came, and an ensemble around what was known of it; calibrated with spread 1 and bias 0."""
    generator = np.random.default_rng(7)
    known = generator.normal(size=N)  # the part that everybody knows
    truth = known + generator.normal(size=N)
    return known + bias + spread * generator.normal(size=(members, N)), truth


def gaussian_crps(mean: np.ndarray, sigma: float, truth: np.ndarray) -> np.ndarray:
    """The closed form of Gneiting et al. 2005."""
    z = (truth - mean) / sigma
    cdf = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return sigma * (z * (2 * cdf - 1) + 2 * density - 1 / math.sqrt(math.pi))


@pytest.mark.parametrize("members", [2, 5])
@pytest.mark.parametrize("truth", [0.0, 1.3, -4.0])
def test_the_crps_of_a_gaussian_is_its_closed_form(members: int, truth: float) -> None:
    generator = np.random.default_rng(0)
    ensemble = 0.5 + 2.0 * generator.normal(size=(members, N))
    expected = float(gaussian_crps(np.array(0.5), 2.0, np.array(truth)))
    found = crps(ensemble, np.full(N, truth))
    error = 4 * found.std() / math.sqrt(N)
    assert found.mean() == pytest.approx(expected, abs=error)
    fair = np.abs(ensemble - truth).mean(axis=0) - found
    naive = found + fair / members  # pairs of a member with itself counted in: too large for few
    assert naive.mean() - expected > error


def test_of_two_values_the_crps_is_known() -> None:
    assert crps(np.array([[0.0], [1.0]]), np.array([0.0]))[0] == pytest.approx(0.5 - 0.5)
    assert crps(np.array([[0.0], [1.0]]), np.array([3.0]))[0] == pytest.approx(2.5 - 0.5)
    assert crps(np.array([[2.0], [2.0]]), np.array([5.0]))[0] == 3.0  # a point forecast has its absolute error


@pytest.mark.parametrize("members", [2, 4, 16])
def test_a_calibrated_ensemble_has_spread_and_ranks_as_it_should(members: int) -> None:
    ensemble, truth = drawn(members=members)
    assert spread_skill(ensemble, truth) == pytest.approx(1.0, abs=0.02)
    plain = spread_skill(ensemble, truth) / math.sqrt((members + 1) / members)
    assert plain < 0.98  # without the correction few members look too sure
    ranks = rank_histogram(ensemble, truth)
    assert len(ranks) == members + 1 and ranks.sum() == pytest.approx(1.0)
    assert flatness(ranks) < 0.02


@pytest.mark.parametrize(
    ("spread", "bias", "ratio", "edges"),
    [(0.5, 0.0, (0.4, 0.6), (2.0, 99)), (2.0, 0.0, (1.6, 2.1), (0, 0.3)), (1.0, 2.0, (0.3, 0.6), (2.0, 99))],
    ids=["overconfident", "too wide", "biased"],
)
def test_what_is_wrong_with_an_ensemble_turns_each_red(
    spread: float, bias: float, ratio: tuple[float, float], edges: tuple[float, float]
) -> None:
    good, wrong = score(*drawn()), score(*drawn(spread, bias))
    assert wrong.crps > 1.05 * good.crps  # proper: no dishonest ensemble scores better
    assert ratio[0] < wrong.spread_skill < ratio[1]
    assert flatness(np.array(wrong.ranks)) > 0.15 > 10 * flatness(np.array(good.ranks))
    outermost = (wrong.ranks[0] + wrong.ranks[-1]) / 2 * (MEMBERS + 1)
    assert edges[0] < outermost < edges[1]
    assert (wrong.ranks[0] > 5 * wrong.ranks[-1]) == (bias > 0)


def test_a_calibrated_ensemble_beats_its_own_mean() -> None:
    good = score(*drawn())
    assert good.crps == pytest.approx(1 / math.sqrt(math.pi), abs=0.01)
    assert good.mean_error == pytest.approx(math.sqrt(2 / math.pi * (1 + 1 / MEMBERS)), abs=0.02)
    assert good.crps < 0.75 * good.mean_error


def test_missing_values_count_nothing_and_ties_are_drawn() -> None:
    ensemble, truth = drawn()
    gaps = truth.copy()
    gaps[::3] = np.nan
    holes = ensemble.copy()
    holes[4, 1::3] = np.nan
    found, alone = score(holes, gaps), score(ensemble[:, 2::3], truth[2::3])
    assert (found.n, found.crps, found.spread_skill) == (alone.n, alone.crps, alone.spread_skill)
    equal = rank_histogram(np.zeros((3, N)), np.zeros(N))  # rain that fell nowhere, and was forecast nowhere
    np.testing.assert_allclose(equal, 0.25, atol=0.02)
    with pytest.raises(ValueError, match="at least 2 members, got 1"):
        crps(np.zeros((1, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="got none"):
        score(np.full((2, 3), np.nan), np.zeros(3))

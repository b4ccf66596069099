import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from framefall.evaluate.sets.distribution import (
    FEWEST,
    compare,
    frechet,
    frechet_of_clips,
    kernel_of_clips,
    projection,
)


def normals(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def one_by_one(rows: np.ndarray) -> list[np.ndarray]:
    return [row[None] for row in rows]


def test_the_distance_of_gaussians_is_the_closed_form() -> None:
    one = normals(400, 6, 1) @ normals(6, 6, 2) + 0.5
    other = normals(300, 6, 3) @ normals(6, 6, 4)
    cov, cov_other = np.cov(one.T), np.cov(other.T)
    closed = ((one.mean(0) - other.mean(0)) ** 2).sum()
    closed += np.trace(cov + cov_other - 2 * sqrtm(cov @ cov_other).real)
    assert frechet(one, other) == pytest.approx(closed, rel=1e-6)
    assert frechet(one, other) == pytest.approx(frechet(other, one), rel=1e-9)


def test_known_gaussians_are_as_far_apart_as_their_numbers_say() -> None:
    near, far = normals(20_000, 3, 5), 2.0 * normals(20_000, 3, 6) + np.array((1.0, 0.0, 0.0))
    assert frechet(near, far) == pytest.approx(1.0 + 3 * (2.0 - 1.0) ** 2, rel=0.03)  # means, then spreads


def test_equal_sets_are_at_distance_0_even_without_full_rank() -> None:
    few = normals(10, 50, 7)  # nine directions of fifty
    assert frechet(few, few) == pytest.approx(0.0, abs=1e-9)
    assert frechet(few, few + 1.0) == pytest.approx(50.0)
    constant = np.ones((10, 50))
    assert frechet(constant, constant) == 0.0 and frechet(constant, constant + 1.0) == pytest.approx(50.0)


def kernel(one: np.ndarray, other: np.ndarray) -> float:
    clips = one_by_one(np.concatenate((one, other)))
    return kernel_of_clips(clips)(np.arange(len(one)), np.arange(len(one), len(clips)))


def test_the_kernel_distance_is_around_0_for_equal_sets_and_grows_with_the_gap() -> None:
    repeats = [kernel(normals(40, 8, seed), normals(40, 8, 100 + seed)) for seed in range(20)]
    spread = np.std(repeats) / math.sqrt(20)
    assert abs(np.mean(repeats)) < 3 * spread  # unbiased
    gaps = [kernel(normals(40, 8, 1) + gap, normals(40, 8, 2)) for gap in (0.0, 0.5, 1.0)]
    assert gaps[0] < gaps[1] < gaps[2]


@pytest.mark.parametrize("measure", [frechet_of_clips, kernel_of_clips])
def test_another_set_is_beyond_the_floor_and_an_equal_one_is_not(measure) -> None:
    reference, same = one_by_one(normals(64, 8, 1)), one_by_one(normals(64, 8, 2))
    other = one_by_one(normals(64, 8, 3) * 1.5 + 1.0)
    equal, apart = (compare("test", clips, reference, measure, seed=3) for clips in (same, other))
    assert equal.value < equal.floor + 3 * abs(equal.high - equal.low) and apart.low > 3 * equal.high
    assert apart.low < apart.value < apart.high and (apart.n, apart.n_reference) == (64, 64) and not apart.reason
    assert compare("test", other, reference, measure, seed=3) == apart  # the seed says all
    assert compare("test", other, reference, measure, seed=4).value == apart.value


def test_the_interval_holds_the_value_of_endless_clips() -> None:
    truth = 3 * 0.5**2
    held = 0
    for seed in range(12):
        found = compare(
            "test", one_by_one(normals(200, 3, seed) + 0.5), one_by_one(normals(200, 3, 50 + seed)), components=None
        )
        held += found.low <= truth <= found.high
    assert held >= 9  # of 12; 95 % of the time, less the small bias of few clips


def test_too_few_clips_are_refused_in_a_sentence() -> None:
    enough, few = one_by_one(normals(FEWEST, 4, 1)), one_by_one(normals(FEWEST - 1, 4, 2))
    for pair in ((enough, few), (few, enough), ([], enough)):
        refused = compare("test", *pair)
        assert math.isnan(refused.value) and f"{FEWEST} measurable clips" in refused.reason
    assert not math.isnan(compare("test", enough, enough).value)


def test_a_clip_that_cannot_be_measured_is_not_counted() -> None:
    clips = one_by_one(normals(FEWEST + 2, 4, 1))
    clips[3] = np.full((1, 4), np.nan)
    clips[5] = np.zeros((0, 4))
    assert compare("test", clips, one_by_one(normals(20, 4, 2))).n == FEWEST


def test_features_of_two_lengths_are_refused_in_a_sentence() -> None:
    refused = compare("test", one_by_one(normals(20, 4, 1)), one_by_one(normals(20, 5, 2)))
    assert math.isnan(refused.value) and "one number of frames" in refused.reason


def test_frames_of_one_clip_are_not_compared_with_each_other() -> None:
    base = normals(32, 4, 1)
    single, doubled = one_by_one(base), [np.repeat(row[None], 3, axis=0) for row in base]
    other = one_by_one(normals(32, 4, 2))
    plain, repeated = (compare("test", clips, other, kernel_of_clips, components=None) for clips in (single, doubled))
    assert plain.value == pytest.approx(repeated.value)


def test_the_projection_keeps_the_main_directions_of_the_reference() -> None:
    rows = normals(100, 6, 1) * np.array((5.0, 3.0, 0.1, 0.1, 0.1, 0.1))
    kept = projection(rows, 2)(rows)
    assert kept.shape == (100, 2) and kept.var() * 2 > 0.99 * rows.var(axis=0).sum()

import math

import numpy as np
import pytest

from framefall.metric import DRAWS, Interval, interval
from framefall.noise import Key


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    trials = [interval(generator.normal(3.0, 1.0, 30).tolist()) for _ in range(100)]
    covered = sum(trial.low <= 3.0 <= trial.high for trial in trials)
    # 95 of 100 are due; percentile intervals of 30 values cover about 93, and 3 sigma of the count is 7
    assert 86 <= covered <= 100
    # the broken control: half the interval covers far too seldom
    halved = sum(abs(trial.value - 3.0) <= (trial.high - trial.low) / 4 for trial in trials)
    assert halved < 86


def test_the_interval_narrows_with_the_root_of_the_number_of_clips() -> None:
    values = np.random.default_rng(1).normal(size=1600).tolist()
    few, many = interval(values[:100]), interval(values)
    ratio = (few.high - few.low) / (many.high - many.low)
    assert ratio == pytest.approx(4.0, rel=0.25)  # the spread of 100 values is itself known to some 7 %


def test_the_interval_is_a_function_of_the_values_alone() -> None:
    values = [0.3, 0.1, 0.9, 0.4, 0.7]
    assert interval(values) == interval(values[::-1])
    assert interval(values, seed=1) != interval(values, seed=2)


@pytest.mark.parametrize("count", [30, 300])
def test_blocks_of_resamples_are_those_drawn_one_by_one(count: int) -> None:
    values = np.sort(np.random.default_rng(2).normal(size=count))
    generator = np.random.default_rng(Key(0, "bootstrap").word())
    means = [values[generator.integers(count, size=count)].mean() for _ in range(DRAWS)]
    found = interval(values.tolist())
    assert (found.low, found.high) == tuple(np.percentile(means, (2.5, 97.5)))
    shifted = np.percentile(means[1:], (2.5, 97.5))  # the control: one resample less
    assert (found.low, found.high) != tuple(shifted)


def test_one_value_is_its_own_interval_and_says_so() -> None:
    assert interval([2.5]) == Interval(2.5, 2.5, 2.5, 1)


def test_what_was_not_measured_is_not_counted() -> None:
    assert interval([math.nan, 2.5]).n == 1
    nothing = interval([math.nan])
    assert nothing.n == 0 and math.isnan(nothing.value) and math.isnan(nothing.low)

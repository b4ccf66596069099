from collections.abc import Callable
from dataclasses import replace

import pytest

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.request import Request
from framefall.cascade.stage import StageConfig
from framefall.data.buckets import Bucket

BUCKETS = (
    Bucket(frames=4, height=16, width=16),
    Bucket(frames=4, height=8, width=24),
    Bucket(frames=16, height=24, width=8),
    Bucket(frames=12, height=24, width=8),
)


@pytest.fixture
def cascade(configs: dict[str, StageConfig], learned: Callable) -> Cascade:
    """8 frames at 16 x 16 -> 15 -> 32 x 32, with a base that was trained on other shapes as well."""
    configs = {**configs, "base": replace(configs["base"], buckets=BUCKETS)}
    stages = tuple(learned(name, config) for name, config in configs.items())
    return Cascade(config=CascadeConfig(name="toy", stages=configs), stages=stages)


@pytest.mark.parametrize(
    ("size", "base", "made"),
    [
        ((32, 32), (8, 16, 16), (15, 32, 32)),  # its own, though a shorter bucket has the same size
        ((16, 48), (4, 8, 24), (7, 16, 48)),
        ((48, 16), (16, 24, 8), (30, 48, 16)),  # the longer of two
    ],
)
def test_a_clip_of_another_size_lasts_as_long_as_the_base_was_trained_at_it(
    cascade: Cascade, size: tuple[int, int], base: tuple[int, int, int], made: tuple[int, int, int]
) -> None:
    sized = cascade.sized(*size)
    worked = [
        tuple(event.step.x.shape[2:])
        for event in sized.stream(Request())
        if event.stage is sized.stages[0] and event.step is not None
    ]
    assert set(worked) == {base}  # the base never works at a shape that it has not seen
    assert sized.sample(Request()).shape[2:] == made
    assert sized.sample(Request(frames=5)).shape[2] == 5


def test_the_cascade_itself_stays_as_it_is(cascade: Cascade) -> None:
    before = cascade.sample(Request())
    cascade.sized(16, 48)
    assert cascade.sample(Request()).equal(before)
    assert cascade.sized(32, 32).sample(Request()).equal(before)
    assert cascade.sized(16, 48).sample(Request()).shape != before.shape


def test_a_size_that_was_not_trained_is_refused_with_those_that_were(cascade: Cascade) -> None:
    with pytest.raises(ValueError, match="got 20x20; try one of 48x16, 32x32, 16x48"):
        cascade.sized(20, 20)

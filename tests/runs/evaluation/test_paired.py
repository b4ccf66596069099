"""Pairs: the mean of the differences, its interval, and which side is better."""

from pathlib import Path

import numpy as np
import pytest

from framefall.data.media.writer import write
from framefall.metric import interval
from framefall.runs.evaluation.paired import PairedMetric, paired


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two clips of a moving square, and the same with a light that flickers."""
    generator = np.random.default_rng(0)
    for number in range(2):
        frames = np.full((12, 48, 48, 3), 80, np.uint8)
        for frame in range(12):
            frames[frame, 10 + number : 24 + number, 4 + 2 * frame : 16 + 2 * frame] = (200, 60, 40)
        light = generator.integers(-25, 26, 12)[:, None, None, None]
        write(tmp_path / "calm" / f"{number}.mp4", [frames], 12.0)
        write(tmp_path / "flickers" / f"{number}.mp4", [np.clip(frames + light, 0, 255).astype(np.uint8)], 12.0)
    return tmp_path / "calm", tmp_path / "flickers"


def test_the_difference_is_that_of_the_pairs(sides: tuple[Path, Path]) -> None:
    result = paired(*sides)
    found = {one.metric: one for one in result.metrics}
    light, metric = found["luminance_flicker"], "luminance_flicker"
    gaps = [result.first[name].scores[metric] - result.second[name].scores[metric] for name in result.first]
    assert light.difference == interval(gaps) and light.difference.high < 0
    assert light.says(("a", "b")) == "a is better"
    assert found["repeated_frames"].says(("a", "b")) == "no difference that these pairs show"


def test_sets_of_other_names_are_refused(sides: tuple[Path, Path]) -> None:
    (sides[1] / "0.mp4").rename(sides[1] / "9.mp4")
    with pytest.raises(ValueError, match="must have clips of the same names"):
        paired(*sides)


def test_no_word_of_better_where_nothing_is_known() -> None:
    one, none = interval([1.0]), interval([])
    assert PairedMetric("flicker", one, one, one).says(("a", "b")) == "one pair says nothing of others"
    assert PairedMetric("flicker", none, one, none).says(("a", "b")) == "not measurable on both sides"
    apart = interval([1.0, 1.1])
    assert PairedMetric("flicker", one, one, apart).says(("a", "b")) == "b is better"

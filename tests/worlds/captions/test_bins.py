"""The words of a scene and their values: no value has two words."""

from itertools import pairwise

import numpy as np
import pytest
from split_checks import region_of, word_of

from framefall.worlds.captions.bins import BINS
from framefall.worlds.shapes import OUTLINES, extent


@pytest.mark.parametrize("version", BINS)
def test_no_value_has_two_words(version: int) -> None:
    for factor, regions in BINS[version].items():
        spans = sorted(span for words in regions.values() for span in words.values())
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        for region, words in regions.items():
            for word, (low, high) in words.items():
                assert (region_of(factor, low, version), word_of(factor, low, version)) == (region, word)
                assert word_of(factor, high, version) != word or region_of(factor, high, version) != region


def test_versions_have_the_same_words_and_only_sizes_mean_something_else() -> None:
    first, *others = BINS.values()
    for other in others:
        assert {factor: {r: list(words) for r, words in regions.items()} for factor, regions in other.items()} == {
            factor: {r: list(words) for r, words in regions.items()} for factor, regions in first.items()
        }
        assert [factor for factor in first if first[factor] != other[factor]] == ["size"]


@pytest.mark.parametrize("version", BINS)
def test_everything_that_version_2_trains_on_is_4_pixels_across_in_a_picture_of_32(version: int) -> None:
    """The control is version 1. Narrowest of all shapes of one radius are box and diamond, from side to side."""
    smallest = min(low for low, _ in BINS[version]["size"]["train"].values())
    narrowest = min(32 * _across(shape, smallest) for shape in OUTLINES)
    assert (narrowest >= 4.0) == (version == 2), narrowest


def _across(shape: str, radius: float) -> float:
    """The least distance between two parallel lines with the shape between them."""
    ways = np.radians(np.arange(0.0, 180.0, 0.5))
    return min(
        extent(shape, radius, (x, y)) + extent(shape, radius, (-x, -y))
        for x, y in zip(np.cos(ways).tolist(), np.sin(ways).tolist(), strict=True)
    )

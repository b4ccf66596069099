"""The words of a scene and their values: no value has two words."""

from itertools import pairwise

from split_checks import region_of, word_of

from framefall.worlds.captions.bins import BINS


def test_no_value_has_two_words() -> None:
    for factor in BINS:
        spans = sorted(span for words in BINS[factor].values() for span in words.values())
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        for region, words in BINS[factor].items():
            for word, (low, high) in words.items():
                assert (region_of(factor, low), word_of(factor, low)) == (region, word)
                assert word_of(factor, high) != word or region_of(factor, high) != region

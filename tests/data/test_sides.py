import pytest

from framefall.data.sides import ENGLISH, OTHERS, side


@pytest.mark.parametrize("word", (ENGLISH + " " + OTHERS).split())
def test_a_word_for_a_side_is_found_as_a_whole_word_in_any_case(word: str) -> None:
    assert side(f"A ball, {word.upper()} of it.") == word
    assert side(f"a ball x{word.replace('-', '')}x") is None


@pytest.mark.parametrize(
    ("caption", "word"),
    [
        ("a square moves to the Left", "left"),
        ("it turns, clockwise; then stops", "clockwise"),
        ("right-to-left", "right"),
        ("球从左边滚来", "左"),
    ],
)
def test_it_is_named_wherever_it_stands(caption: str, word: str) -> None:
    assert side(caption) == word


@pytest.mark.parametrize("caption", ["", "a bright copyright leftover", "cleft brightly", "a man walks up and down"])
def test_other_captions_may_be_mirrored(caption: str) -> None:
    """The control of whole words: a search within words would find a side in each but the first and the last."""
    assert side(caption) is None

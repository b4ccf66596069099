import pytest

from framefall.cascade.about.english import forms, is_content

ALIKE = [
    ("fall", "falls falling fell fallen"),
    ("bounce", "bounces bounced bouncing"),
    ("roll", "rolls rolled rolling"),
    ("drop", "drops dropped dropping"),
    ("move", "moves moved moving"),
    ("fly", "flies flew flying"),
    ("throw", "thrown threw throws"),
    ("slow", "slowly slower slowest"),
    ("large", "larger largest"),
    ("box", "boxes box's"),
    ("jar", "jars jar\u2019s"),
    ("man", "men man's"),
    ("person", "people"),
    ("leaf", "leaves"),
    ("carry", "carries carried carrying"),
]
OTHER = [("ball", "bell"), ("cat", "car"), ("fall", "fly"), ("box", "boy"), ("slow", "slide"), ("ramp", "lamp")]


@pytest.mark.parametrize(("word", "others"), ALIKE, ids=[word for word, _ in ALIKE])
def test_a_word_is_one_in_all_of_its_inflections(word: str, others: str) -> None:
    for other in others.split():
        assert forms(word) & forms(other), other


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_words_are_others(one: str, other: str) -> None:
    assert not forms(one) & forms(other)


def test_function_words_and_what_is_said_of_any_clip_say_nothing() -> None:
    for word in ["the", "a", "is", "behind", "while", "it's", "video", "showing", "scene", "i", "x"]:
        assert not is_content(word)
    assert is_content("cat") and is_content("left") and is_content("été")

"""Captions read backwards: exactly what they state, nothing from other sentences, and fast."""

import re
import time

import pytest

from examples import examples
from framefall.worlds.captions.grammar import PARAPHRASES, WORDS
from framefall.worlds.captions.parser import parse
from framefall.worlds.captions.sentences import describe, stated
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scene import Scene
from framefall.worlds.splits import SPLITS

EACH = examples(60, 300)  # captions a scenario; tests/batteries/captions.py does 10,000


def _scenes(name: str, count: int) -> list[Scene]:
    return [draw_scene(7, SPLITS[index % len(SPLITS)], name, index) for index in range(count)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_parser_inverts_captions(name: str) -> None:
    scenes, variants = _scenes(name, -(-EACH // (2 * PARAPHRASES))), range(2 * PARAPHRASES)
    for scene in scenes:
        for variant in variants:
            paraphrase, numeric = variant % PARAPHRASES, variant >= PARAPHRASES
            text = describe(scene, paraphrase, numeric)
            assert parse(text) == stated(scene.attributes, numeric), text


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_word_swapped_gives_other_attributes(name: str) -> None:
    """The control: whatever word that fills a slot is swapped, the parser must notice."""
    for index, scene in enumerate(_scenes(name, 6)):
        text = describe(scene, index % PARAPHRASES, numeric=True)
        said, swapped = parse(text), 0
        for match in re.finditer(r"\w+", text):
            kind = WORDS.get(match.group(), ("",))[0]
            other = next((w for w, (k, _) in WORDS.items() if k == kind and w != match.group()), None)
            if other is not None:
                changed = text[: match.start()] + other + text[match.end() :]
                swapped += 1
                try:
                    assert parse(changed) != said, changed
                except ValueError:  # a count that its list contradicts, or a word that is not a value
                    assert kind in ("count", "side")
        assert swapped >= 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a dog runs on the beach",
        "a large red ball",
        "a large red ball falls and bounces on the ceiling",
        "a large red falls ball and bounces on the floor",
        "three small boxes, from the bottom red, then blue, stand one on the other",
        "a large red ball moves left at a slow pace, at 0.123 heights a second",
    ],
)
def test_a_sentence_of_another_grammar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a caption must [^\n]*$"):
        parse(text)


def test_capitals_and_a_full_stop_do_not_matter() -> None:
    text = describe(draw_scene(0, "train", "fall", 0))
    assert parse(text.capitalize() + ".") == parse(text)


def test_the_parser_takes_less_than_a_tenth_of_a_millisecond() -> None:
    """Billiards are the longest; measured 25 us. The bound is five times wider, for type checks and busy machines."""
    texts = [describe(scene, index % PARAPHRASES, numeric=True) for index, scene in enumerate(_scenes("billiards", 50))]
    parse(texts[0])
    begin = time.process_time()
    for text in texts * 4:
        parse(text)
    assert (time.process_time() - begin) / (4 * len(texts)) < 5e-4

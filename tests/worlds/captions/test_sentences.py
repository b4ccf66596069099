import dataclasses
import os
import re
import time

import pytest

from framefall.worlds.captions.bins import BINS
from framefall.worlds.captions.grammar import PARAPHRASES, PATTERNS, WORDS
from framefall.worlds.captions.parser import parse
from framefall.worlds.captions.sentences import caption, describe, numbers, stated
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS
from framefall.worlds.scene import Attributes, Scene, Thing
from framefall.worlds.splits import SPLITS

EACH = int(os.environ.get("FRAMEFALL_CAPTIONS", "300"))  # captions a scenario; tests/batteries/captions.py does 10,000


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
def test_paraphrases_are_five_sentences_of_one_meaning(name: str) -> None:
    for scene in _scenes(name, 6):
        texts = {describe(scene, paraphrase) for paraphrase in range(PARAPHRASES)}
        assert len(texts) == PARAPHRASES
        assert len({parse(text) for text in texts}) == 1


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


def test_captions_of_unlike_attributes_are_unlike() -> None:
    """Nothing that a scene's attributes state is left out of its caption."""
    for name in SCENARIOS:
        scenes = _scenes(name, 60)
        for numeric in (False, True):
            said = {stated(scene.attributes, numeric) for scene in scenes}
            assert len({caption(attributes, 0, numeric) for attributes in said}) == len(said)


def test_every_pattern_is_met() -> None:
    met = {(a.scenario, a.outcome) for name in SCENARIOS for a in (s.attributes for s in _scenes(name, 36))}
    met |= {(name, "") for name in SOLID_SCENARIOS}  # each is said and read in test_solids
    met |= {("occluder", "one" if len(s.attributes.things) == 1 else "two") for s in _scenes("occluder", 36)}
    assert met - {("occluder", "")} == set(PATTERNS)


def test_every_word_for_size_and_speed_can_be_said() -> None:
    values = {value for kind, value in WORDS.values() if kind in ("size", "speed")}
    assert values == {word for factor in ("size", "speed") for words in BINS[factor].values() for word in words}


def test_attributes_that_no_sentence_states_are_refused() -> None:
    said = draw_scene(0, "train", "fall", 0).attributes
    with pytest.raises(ValueError, match="paraphrase must be from 0 to 4, got 5"):
        caption(said, 5)
    with pytest.raises(ValueError, match=r"scenario and outcome must be one of fall, projectile.*got flood"):
        caption(dataclasses.replace(said, scenario="flood"))
    with pytest.raises(ValueError, match="must be alike"):
        caption(Attributes(scenario="pour", things=(Thing("red", "ball", "small"), Thing("blue", "ball", "small"))))


def test_numbers_are_gravity_and_launch_speed() -> None:
    for name in SCENARIOS:
        scene = draw_scene(0, "train", name, 1)
        gravity, speed = numbers(scene)
        assert numbers(scene).dtype == "float32"
        assert round(float(gravity), 2) == pytest.approx(scene.attributes.gravity or 0.0, abs=1e-5)
        assert round(float(speed), 2) == pytest.approx(scene.attributes.velocity or 0.0, abs=1e-5)


def test_the_parser_takes_less_than_a_tenth_of_a_millisecond() -> None:
    """Billiards are the longest; measured 25 us. The bound is five times wider, for type checks and busy machines."""
    texts = [describe(scene, index % PARAPHRASES, numeric=True) for index, scene in enumerate(_scenes("billiards", 50))]
    parse(texts[0])
    begin = time.process_time()
    for text in texts * 4:
        parse(text)
    assert (time.process_time() - begin) / (4 * len(texts)) < 5e-4

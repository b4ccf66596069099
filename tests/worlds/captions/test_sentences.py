"""What is said of a scene: all of its attributes, in five sentences of one meaning."""

import dataclasses

import pytest

from examples import examples
from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.captions.parser import parse
from framefall.worlds.captions.sentences import caption, describe, numbers, stated
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scene import Attributes, Scene, Thing
from framefall.worlds.splits import SPLITS


def _scenes(name: str, count: int) -> list[Scene]:
    return [draw_scene(7, SPLITS[index % len(SPLITS)], name, index) for index in range(count)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_paraphrases_are_five_sentences_of_one_meaning(name: str) -> None:
    for scene in _scenes(name, 6):
        texts = {describe(scene, paraphrase) for paraphrase in range(PARAPHRASES)}
        assert len(texts) == PARAPHRASES
        assert len({parse(text) for text in texts}) == 1


def test_captions_of_unlike_attributes_are_unlike() -> None:
    """Nothing that a scene's attributes state is left out of its caption."""
    for name in SCENARIOS:
        scenes = _scenes(name, examples(24, 60))
        for numeric in (False, True):
            said = {stated(scene.attributes, numeric) for scene in scenes}
            assert len({caption(attributes, 0, numeric) for attributes in said}) == len(said)


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

"""A prompt is held against the captions that a model was trained with: silence for what it knows, one sentence else."""

import time
from dataclasses import replace

import pytest

from examples import examples
from framefall.cascade.about.card import StageCard, about
from framefall.cascade.about.vocabulary import NAMED, doubt, nearest
from framefall.runs.sources import WorldSource
from framefall.runs.training.knowledge import known_of
from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.world import World, open_world

CLIPS = about(
    ["a.mp4"], ["a hand moves a box on a table", "a big rabbit in a green meadow", "people walk seen from above"]
)


@pytest.fixture(scope="module")
def worlds() -> StageCard:
    return known_of(WorldSource(open_world("all:60k@2")))


@pytest.mark.parametrize("split", ["train", "id", "comb", "horizon"])
def test_every_caption_of_the_grammar_passes_in_silence(split: str, worlds: StageCard) -> None:
    """In training words; none of these scenes is in the sample that the card was made of but for some of `train`."""
    world = World(split=split, size=60_000, version=2)
    count = examples(10, 400) * len(world.scenarios)
    for index in range(10_000, 10_000 + count):
        caption = world.caption(index, index // len(world.scenarios) % PARAPHRASES, numeric=index % 4 == 0)
        assert doubt(caption, "worlds", worlds, True) is None, caption


def test_words_out_of_distribution_are_said(worlds: StageCard) -> None:
    """The control: captions of the far split say tiny, huge, crawling or racing, or the like in other worlds' sizes."""
    world = World(split="ood-far", size=60_000, version=2)
    captions = [world.caption(index) for index in range(260)]
    far = [text for text in captions if {"tiny", "huge", "crawling", "racing"} & set(text.split())]
    assert len(far) > 50
    for text in far:
        found = doubt(text, "worlds", worlds, True)
        assert found is not None and set(found.words) <= {"tiny", "huge", "crawling", "racing"}
    assert all(doubt(text, "worlds", worlds, True) is None for text in captions if text not in far)


def test_an_unknown_word_is_said_with_the_nearest_that_is_known() -> None:
    part = known_of(WorldSource(World(("projectile", "fall"), size=2000)))
    found = doubt("a cat falls", "toy", part, True)
    assert found is not None and found.words == {"cat": "ball"}
    assert found.sentence == "toy was trained on the worlds' projectile and fall; it knows no 'cat', nearest: 'ball'"
    assert doubt("the balls are falling slowly, and one bounced", "toy", part, True) is None


@pytest.mark.parametrize(("word", "near"), [("gigantic", "large"), ("tiny", "small"), ("sofa", "cushions")])
def test_the_nearest_is_near(word: str, near: str, worlds: StageCard) -> None:
    assert nearest([word], worlds.words) == [near]
    assert nearest([word], {"the": 3}) == [""]  # nothing is known that says what is to be seen


def test_captions_are_silent_and_their_parts_too() -> None:
    for prompt in (
        *CLIPS.captions,
        "a box",
        "people walking",
        "The big rabbit.",
        "a video of a rabbit",
        "",
        None,
        "3 2 1",
    ):
        assert doubt(prompt, "pico", CLIPS, True) is None, prompt


def test_known_words_of_different_scenes_are_said_with_the_nearest_scene() -> None:
    found = doubt("a rabbit moves a box", "pico", CLIPS, True)
    assert found is not None and found.scene == "a hand moves a box on a table" and not found.words
    assert found.sentence.startswith(
        "pico was trained on clips with 3 captions; it knows the words of the prompt, but no"
    )


def test_a_scene_of_no_scenario_is_said(worlds: StageCard) -> None:
    found = doubt("a red triangle hangs from a rod and swings", "worlds", worlds, True)
    assert found is not None and found.scene == "pendulum"


def test_a_model_without_captions_says_so() -> None:
    for part, reads in ((about(["a"], [None]), True), (CLIPS, False), (None, False)):
        found = doubt("a cat", "toy", part, reads)
        assert found is not None and "was trained without captions" in found.sentence
        assert doubt(None, "toy", part, reads) is None


def test_of_a_model_without_a_card_nothing_is_known() -> None:
    found = doubt("a cat", "old", None, True)
    assert found is not None and found.sentence.startswith("nothing is written about what old knows")


def test_a_long_prompt_is_one_short_sentence() -> None:
    found = doubt("elephants juggle umbrellas beneath purple clouds playing trumpets loudly", "pico", CLIPS, True)
    assert (
        found is not None
        and len(found.words) > NAMED
        and found.sentence.endswith(f"; and {len(found.words) - NAMED} more")
    )
    assert "\n" not in found.sentence


def test_words_beyond_the_most_frequent_may_be_known() -> None:
    found = doubt("a cat", "toy", replace(CLIPS, left_out={"words": 7}), True)
    assert found is not None and f"among its {len(CLIPS.words)} most frequent words" in found.sentence


def test_where_all_is_known_it_costs_nothing(worlds: StageCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framefall.cascade.about.vocabulary.nearest", None)  # no network is asked
    began = time.process_time()
    assert doubt("a large red ball falls and bounces on the floor", "worlds", worlds, True) is None
    assert time.process_time() - began < 0.1

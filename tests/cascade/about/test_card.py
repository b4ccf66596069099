"""A model's card: bounded, checked when it is read, and added to without losing anything."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall import publish
from framefall.cascade.about.card import (
    CAPTIONS,
    CARD,
    LONGEST,
    SOURCES,
    WORDS,
    Card,
    StageCard,
    about,
    after,
    read_card,
    words_of,
    write_card,
)
from framefall.cascade.saved.checkpoint import load_cascade, with_card, with_stage
from framefall.publish import Corrupt

TALK = about(["a.mp4", "b.mp4", "c.mp4"], ["a man talks", "a man walks", None])


def test_what_is_said_of_clips_is_counted_by_caption() -> None:
    assert (TALK.clips, TALK.captioned, TALK.told) == (3, 2, True)
    assert TALK.captions == ["a man talks", "a man walks"]
    assert TALK.words == {"a": 2, "man": 2, "talks": 1, "walks": 1}
    assert about(["a"], ["dog dog dog"]).words == {"dog": 1}  # in how many captions, not how often
    assert about(["a"], [None]).told is False and StageCard(sources=["a"]).told is None
    assert words_of("It's a Dog's 3rd\nball; été") == ["it's", "a", "dog's", "rd", "ball", "été"]


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    card = Card(stages={"base": replace(TALK, scores={"held_out_loss": 0.25}, failures=["It is grey."])})
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card
    assert read_card(tmp_path / "elsewhere") is None


def test_a_card_has_room_for_so_much_and_says_what_it_left_out(tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [a + b + c for a in letters for b in letters for c in letters][: WORDS + 10]
    captions = [*(f"{word} the" for word in words), "x" * 10 * LONGEST]
    part = about([f"{number}.mp4" for number in range(SOURCES + 5)], captions)
    assert len(part.sources) == SOURCES and len(part.words) == WORDS and part.captions == []
    assert part.left_out == {"sources": 5, "captions": len(captions), "words": 12}  # "the", and 40 times x, too
    assert next(iter(part.words)) == "the"  # the most frequent are kept
    write_card(Card(stages={"base": part}), tmp_path)
    assert read_card(tmp_path) == Card(stages={"base": part}) and (tmp_path / CARD).stat().st_size < 100_000
    assert len(about(["a" * 10 * LONGEST], []).sources[0]) == LONGEST


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"sources": ["a"] * (SOURCES + 1)}, "at most 64 sources, got 65"),
        ({"captions": ["x" * (LONGEST + 1)]}, "captions must be of 1 to 400 characters"),
        ({"failures": [""]}, "failures must be of 1 to 400 characters, got ''"),
        ({"scores": {"loss": math.nan}}, "scores must be finite"),
        ({"scenes": {"fall": [str(number) for number in range(WORDS + 1)]}}, "at most 2048 words of a scene"),
    ],
)
def test_what_no_card_may_hold_is_refused(fields: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StageCard(**fields)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "does not fit Card"),
        ('{"stages": {"base": {"wordz": {}}}}', "wordz: Unexpected"),
        ('{"stages": {"base": {"seen": "many"}}}', "seen: Input should be a valid integer"),
        ('{"stages": {"base": {"scores": {"loss": NaN}}}}', "finite"),
        ("[" * 100_000, "does not fit Card"),
    ],
)
def test_a_damaged_card_is_refused_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(text)
    with pytest.raises(Corrupt, match=sentence):
        read_card(tmp_path)


def test_a_card_of_a_later_format_says_nothing(tmp_path: Path) -> None:
    (tmp_path / CARD).write_text('{"format": 2, "parts": []}')
    assert read_card(tmp_path) is None


def test_a_card_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framefall.cascade.about.card.LARGEST", 10)
    write_card(Card(), tmp_path)
    with pytest.raises(Corrupt, match="at most 10 bytes"):
        read_card(tmp_path)


def test_weights_that_go_on_know_what_they_knew() -> None:
    before = replace(TALK, seen=100, scores={"held_out_loss": 1.0}, left_out={"words": 2})
    now = after(replace(about(["d.mp4"], ["a dog runs"]), scores={"held_out_loss": 0.5}), before)
    assert now.sources == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"] and (now.clips, now.captioned, now.seen) == (4, 3, 100)
    assert now.words["a"] == 3 and {"man", "dog"} <= now.words.keys() and now.left_out == {"words": 2}
    assert now.captions == ["a man talks", "a man walks", "a dog runs"] and now.scores == {"held_out_loss": 0.5}
    scenes = after(about([], [], {"fall": ["box"]}), about([], [], {"fall": ["ball"], "ramp": ["ball"]})).scenes
    assert scenes == {"fall": ["ball", "box"], "ramp": ["ball"]}
    assert after(TALK, None) is TALK


def test_few_captions_are_listed_and_many_are_not() -> None:
    assert len(about([], [f"number {'x' * n}" for n in range(1, CAPTIONS + 1)]).captions) == CAPTIONS
    assert about([], [f"number {'x' * n}" for n in range(1, CAPTIONS + 2)]).left_out["captions"] == CAPTIONS + 1


def test_stages_of_different_runs_keep_their_parts(model: Path) -> None:
    cascade = load_cascade(model)
    assert cascade.card is None
    parts = {stage.name: about([f"{stage.name}.mp4"], [stage.name]) for stage in cascade.stages}
    for stage in reversed(cascade.stages):
        config = replace(cascade.config, trained_on=[f"{stage.name}.mp4"])
        with_stage(model, stage.name, stage, config, torch.float32, parts[stage.name])
    found = load_cascade(model)
    assert found.card == Card(stages=parts) and list(found.card.stages) == list(found.config.stages)
    assert set(found.config.trained_on) == {f"{name}.mp4" for name in parts}
    with_stage(model, "base", cascade.stages[0], cascade.config, torch.float32)  # other weights, and nothing said
    again = load_cascade(model).card
    assert again is not None and list(again.stages) == ["temporal_sr", "spatial_sr"]


def test_a_card_goes_into_a_model_that_has_none_and_nothing_else_changes(model: Path) -> None:
    before = publish.verify(model)
    with_card(model, Card(stages={"base": TALK}))
    after_ = publish.verify(model)
    assert after_.keys() - before.keys() == {CARD} and {k: after_[k] for k in before} == before
    assert load_cascade(model).card == Card(stages={"base": TALK})
    (model / CARD).write_text(json.dumps({"stages": {}}))  # the control: it is under the manifest
    with pytest.raises(Corrupt, match=r"card\.json is not what the manifest says"):
        load_cascade(model)

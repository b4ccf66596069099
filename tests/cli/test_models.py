import json
from collections.abc import Callable
from pathlib import Path

import pytest

REFUSED = [
    ("models {there}/nowhere", 1, "a model must be a folder or a shipped name"),
    ("models {there}/empty", 1, "has no manifest.json"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


def test_the_models_that_there_are_are_listed(framefall: Callable) -> None:
    said = framefall("models")
    assert said.code == 0 and "pico: A small cascade" in said.out and "worlds: Simulated scenes" in said.out
    assert "base (16 frames of 64x64 at 6 a second), temporal_sr" in said.out


def test_one_model_says_all_that_it_knows(framefall: Callable) -> None:
    said = framefall("models", "pico", "worlds")
    assert said.out.count("licence of the weights: Apache-2.0") == 2
    for sentence in (
        "caption: a big rabbit in a green meadow",
        "known failure: It knows its six captions and nothing else",
        "scenarios of the worlds: fall, uniform, projectile",
    ):
        assert said.out.count(sentence) == 1  # what the stages of a model share is said once


def test_values_are_one_object(framefall: Callable, trained: Path) -> None:
    (model,) = json.loads(framefall("models", trained, "--json").out)["models"]
    assert model["name"] == "toy" and model["words"]["car"] == 1
    assert model["stages"]["base"]["card"]["captions"] == ["a man talks in a moving car"]


def test_an_unknown_word_is_said_while_a_clip_is_made(framefall: Callable, trained: Path, tmp_path: Path) -> None:
    line = ("generate", "a cat talks", "-o", tmp_path / "a.npy", "--model", trained, "--until", "base", "--json")
    said = framefall(*line)
    assert said.code == 0 and "toy was trained on clips with one caption; it knows no 'cat', nearest: '" in said.err
    (clip,) = json.loads(said.out)["clips"]
    assert clip["doubt"]["words"].keys() == {"cat"} and clip["doubt"]["sentence"] in said.err
    silent = framefall("generate", "a man talks", *line[2:])
    assert json.loads(silent.out)["clips"][0]["doubt"] is None and "knows" not in silent.err

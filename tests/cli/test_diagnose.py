import json
from collections.abc import Callable
from pathlib import Path

import pytest

QUESTIONS = ("stages", "copies", "likelihood", "metrics")
REFUSED = [
    ("diagnose stages {trained} {clips}/0001.mp4", 1, "the clips must be a folder, got the file"),
    ("diagnose stages {there}/nowhere {clips}", 1, "a model must be a folder or a shipped name"),
    ("diagnose stages {trained}", 2, "Missing argument"),
    ("diagnose copies {clips} --training {clips}", 2, "Missing option"),
    ("diagnose copies {clips} --training {there}/empty --held-out {clips}", 1, "at least one readable video"),
    ("diagnose likelihood {there}/empty", 1, "has no manifest.json"),
    ("diagnose metrics {clips}/0001.mp4", 1, "must have at least 144 frames"),
    ("diagnose weather", 2, "No such command"),
    ("diagnose", 2, "Missing command"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_help_with_an_example(question: str, framefall: Callable) -> None:
    said = framefall("diagnose", question, "--help")
    assert said.code == 0 and said.err == "" and f"framefall diagnose {question} " in said.out and "--json" in said.out


def test_the_stages_of_a_model_are_told_in_one_object(trained: Path, clips: Path, framefall: Callable) -> None:
    said = framefall("diagnose", "stages", trained, clips, "--only", "superres", "--count", 1, "--json")
    assert said.code == 0, said.err
    values = json.loads(said.out)
    assert values["quality"] == "fast" and "spatial_sr.psnr" in values["superres"]["metrics"] and "blame" not in values

from collections.abc import Callable

import pytest

REFUSED = [
    ("evaluate {clips} --training {clips}", 1, "--training needs --reference"),
    ("evaluate {clips} --validate --html {there}/p.html", 1, "--html is for scores of clips"),
    ("evaluate {there}/nowhere", 1, "clips must be a file or folder that exists"),
    ("evaluate {there}/empty", 1, "must hold at least one readable video, got none"),
    ("evaluate {clips}/0001.mp4 --model {trained}", 1, "with --model the clips must be a folder"),
    ("evaluate {clips} --model {there}/nowhere", 1, "a model must be a folder or a shipped name"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

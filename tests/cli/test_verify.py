from collections.abc import Callable

import pytest

REFUSED = [
    ("verify {there}/nowhere", 1, "a model must be a folder or a shipped name"),
    ("verify {there}/empty", 1, "has no manifest.json"),
    ("verify", 2, "Missing argument"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

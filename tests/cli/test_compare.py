from collections.abc import Callable

import pytest

REFUSED = [
    ("compare {there}/nothing -o {there}/c", 1, "nothing"),
    ("compare uniform --fusion magic -o {there}/c", 1, "fusions must be some of per_frame"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

from collections.abc import Callable

import pytest

REFUSED = [
    ("bench nothing", 1, "name must be one of attention, backbones"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

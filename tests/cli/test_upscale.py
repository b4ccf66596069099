from collections.abc import Callable

import pytest

REFUSED = [
    ("upscale {there}/nowhere.mp4 -o {there}/a.mp4 --model {trained} --time 2 --space 2", 1, "nowhere.mp4"),
    ("upscale {there}/file.txt -o {there}/a.mp4 --model {trained} --time 2 --space 2", 1, "file.txt cannot be read"),
    ("upscale {clips}/0001.mp4", 2, "Missing option"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

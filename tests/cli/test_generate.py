from collections.abc import Callable

import pytest

REFUSED = [
    ("generate --model {there}/nowhere -o {there}/a.mp4", 1, "a model must be a folder or a shipped name"),
    ("generate --model {there}/empty -o {there}/a.mp4", 1, "has no manifest.json"),
    ("generate --model {trained} -o {there}/a.xyz", 1, "the name of a video must end in one of .mp4, .webm"),
    ("generate --model {trained} -o {there}/file.txt/a.mp4", 1, "file.txt"),
    ("generate --model {trained} -o {there}/a.mp4 --until sr", 1, "a stage must be one of"),
    ("generate --model {trained} -o {there}/a.npy --report", 1, "--report reads the clip back"),
    ("generate --model {trained} -o {there}/a.mp4 --device toaster", 1, "device must be one this machine has"),
    ("generate --count 0", 2, "Invalid value for '--count'"),
    ("generate --frames 0", 2, "Invalid value for '--frames'"),
    ("generate --quality good", 2, "Invalid value for '--quality'"),
    ("generate --seed x", 2, "Invalid value for '--seed'"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

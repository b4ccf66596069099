from collections.abc import Callable

import pytest

REFUSED = [
    ("export {trained} -o {there}/out --format tflite", 1, "format must be one of onnx, openvino, torch-export"),
    ("export nothing -o {there}/out --format torch-export", 1, "a model must be a folder or a shipped name"),
    ("export {trained} -o {there}/file.txt --format torch-export", 1, "is a file, and a folder is to be written"),
    ("export {trained} -o {trained}/out --format torch-export", 1, "lies in"),
    ("export {trained}", 2, "Missing option '--output'"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

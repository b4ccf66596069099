from collections.abc import Callable

import pytest

REFUSED = [
    ("worlds snow -o {there}/w", 1, "scenario must be one of all, fall, projectile"),
    ("worlds fall -o {there}/w --split test2", 1, "split must be one of train, id, ood-near, ood-far, comb, horizon"),
    ("worlds fall -o {there}/w --size 3", 1, "size must be from 8 to 4096 pixels, got 3"),
    ("worlds fall -o {there}/w --size 100000", 1, "size must be from 8 to 4096 pixels, got 100000"),
    ("worlds fall -o {there}/w --fps 0", 1, "fps must be above 0 and at most 1000, got 0.0"),
    ("worlds fall -o {there}/w --format .xyz", 1, "the kind of file must be one of .mp4"),
    ("worlds fall -o {there}/w --violation melting", 1, "a violation must be twins or one of teleport, blink"),
    ("worlds {there}/nothing.json -o {there}/w", 1, "nothing.json cannot be read (No such file or directory)"),
    ("worlds {there}/scene.json -o {there}/w", 1, "does not fit Scene: key: Field required"),
    ("worlds {there}/words.json -o {there}/w", 1, "does not fit Scene"),
    ("worlds fall --count 0 -o {there}/w", 2, "Invalid value for '--count'"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

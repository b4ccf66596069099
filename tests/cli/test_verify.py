import json
from collections.abc import Callable
from pathlib import Path

import pytest

REFUSED = [
    ("verify {there}/nowhere", 1, "a model must be a folder or a shipped name"),
    ("verify {there}/empty", 1, "has no manifest.json"),
    ("verify", 2, "Missing argument"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


def test_what_is_whole_has_its_hashes_and_sizes(trained: Path, framefall: Callable) -> None:
    plain, values = framefall("verify", trained), framefall("verify", trained, "--json")
    assert (plain.code, values.code) == (0, 0) and "whole: base " in plain.out
    found = json.loads(values.out)
    assert found["folder"] == str(trained) and set(found["parameters"]) == {"base", "temporal_sr", "spatial_sr"}
    assert all(f"{digest[:16]}  {name}" in plain.out for name, digest in found["files"].items())

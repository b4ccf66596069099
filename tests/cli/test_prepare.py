import json
from collections.abc import Callable
from pathlib import Path

import pytest

REFUSED = [
    ("prepare {there}/nowhere -o {there}/new", 1, "the source must be a folder of videos or images"),
    ("prepare {there}/empty -o {there}/new", 1, "must hold at least one file that can be used"),
    ("prepare fall:6 -o {there}/file.txt", 1, "is a file, and a folder is to be written"),
    ("prepare fall:6 -o {there}/new --recipe huge", 1, "recipe must be one of nano"),
    ("prepare fall:6 -o {there}/new --stage sr", 1, "a stage must be one of base"),
    ("prepare fall:6", 2, "Missing option"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


def test_a_prepared_source_trains_the_same_model(framefall: Callable, tmp_path: Path) -> None:
    options = ["--recipe", "micro", "--stage", "base", "--set", "data.looks=1"]
    said = framefall("prepare", "uniform:12", "-o", tmp_path / "shards", *options, "--json")
    assert said.code == 0 and "is ready to train on: 24 clips for base" in said.err
    found = json.loads(said.out)
    assert found["clips"] == {"base": 24} and found["skipped"] == [] and found["source"] == "uniform:12"
    assert found["bytes"] > 24 * 3 * 8 * 16 * 16 / 2 and found["shards"] == str(tmp_path / "shards")
    models = []
    for source, name in ((tmp_path / "shards", "one"), ("uniform:12", "other")):
        said = framefall("train", source, "-o", tmp_path / name / "m", *options, "--steps", "5")
        assert said.code == 0, said.err
        models.append((tmp_path / name / "m" / "base.safetensors").read_bytes())
    assert models[0] == models[1]


def test_files_that_cannot_be_used_are_listed_with_the_reason(framefall: Callable, clips: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "0001.mp4").symlink_to((clips / "0001.mp4").resolve())
    (source / "bad.mp4").write_bytes(b"")
    said = framefall("prepare", source, "-o", tmp_path / "shards", "--recipe", "micro", "--json")
    assert said.code == 0 and "skipped bad.mp4: it is empty (0 bytes)" in said.err
    found = json.loads(said.out)
    assert found["used"] == ["0001.mp4"] and found["skipped"] == [
        {"path": "bad.mp4", "reason": "it is empty (0 bytes)"}
    ]

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

REFUSED = [
    ("prepare {there}/nowhere -o {there}/new", 1, "the source must be a folder of videos or images"),
    ("prepare {there}/empty -o {there}/new", 1, "must hold at least one file that can be used"),
    ("prepare fall:6 -o {there}/file.txt", 1, "is a file, and a folder is to be written"),
    ("prepare fall:6 -o {there}/new --recipe huge", 1, "recipe must be one of nano"),
    ("prepare fall:6 -o {there}/new --stage sr", 1, "a stage must be one of base"),
    ("prepare {there}/empty", 1, "must hold at least one file that can be used"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


@pytest.mark.slow  # so do the commands of `whole/test_sources_page.py`
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


def test_without_an_output_it_says_what_each_file_is_taken_as(framefall: Callable, clips: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "take").mkdir(parents=True)
    (source / "0001.mp4").symlink_to((clips / "0001.mp4").resolve())
    (source / "0001.json").write_text(
        json.dumps({"text": "one two three four five six seven eight nine", "numbers": [2.5]})
    )
    for number in (1, 2, 3, 7, 8):
        Image.new("RGB", (64, 48)).save(source / "take" / f"{number}.png")
    (source / "bad.mp4").write_bytes(b"")
    before = sorted(source.rglob("*"))
    said = framefall("prepare", source)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("0001.mp4: video: ") and " at " in lines[0]
    assert lines[0].endswith('; "one two three four five six seven eight ..." (0001.json); numbers 2.5')
    assert lines[1].startswith('take: frames: 5 of 64x48 at 24 a second, 0.2 s, 2 shots; "take" (its name)')
    assert len(lines) == 2 and "skipped bad.mp4: it is empty (0 bytes)" in said.err and "3 is followed by 7" in said.err
    found = json.loads(framefall("prepare", source, "--json").out)
    assert [(one["path"], one["kind"], one["shots"]) for one in found["files"]] == [
        ("0001.mp4", "video", 1),
        ("take", "frames", 2),
    ]
    assert found["files"][0]["where"] == "0001.json" and found["files"][0]["numbers"] == [2.5]
    assert found["skipped"] == [{"path": "bad.mp4", "reason": "it is empty (0 bytes)"}] and len(found["notes"]) == 1
    assert sorted(source.rglob("*")) == before


def test_of_a_world_it_says_that_it_is_one(framefall: Callable) -> None:
    said = framefall("prepare", "fall:6")
    assert said.code == 0 and "a simulated world: worlds:fall/train/6" in said.out
    assert "fall:6 is taken as a simulated world: no folder of that name is here" in said.err

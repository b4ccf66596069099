import json
import os
import re

import numpy as np
import pytest
from encodes import clock
from PIL import Image

from framefall.data.captions import CaptionTable, annotate, from_name, read_table
from framefall.data.scan import scan


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_scan_finds_sources_and_nothing_else(tmp_path):
    for name in (
        "b.MP4",
        "a.webm",
        "deep/c.mov",
        "deep/still.png",
        "a.txt",
        "a.json",
        ".hidden.mp4",
        ".cache/x.mp4",
        "x.py",
    ):
        touch(tmp_path / name)
    for index in range(3):
        touch(tmp_path / "take" / f"{index:04d}.png")
    touch(tmp_path / "take" / "fps.txt")
    touch(tmp_path / "mixed" / "1.png")
    touch(tmp_path / "mixed" / "2.png")
    touch(tmp_path / "mixed" / "film.mp4")
    found = [path.relative_to(tmp_path).as_posix() for path in scan(tmp_path)]
    assert found == [
        "a.webm",
        "b.MP4",
        "deep/c.mov",
        "deep/still.png",
        "mixed/1.png",
        "mixed/2.png",
        "mixed/film.mp4",
        "take",
    ]


def test_links_in_a_circle_end_and_links_to_nothing_are_kept_for_the_report(tmp_path):
    touch(tmp_path / "inner" / "a.mp4")
    os.symlink(tmp_path, tmp_path / "inner" / "loop")
    os.symlink(tmp_path / "inner", tmp_path / "twin")
    os.symlink(tmp_path / "nowhere.mp4", tmp_path / "gone.mp4")
    found = [path.relative_to(tmp_path).as_posix() for path in scan(tmp_path)]
    assert found == ["gone.mp4", "inner/a.mp4"]


def test_a_folder_of_frames_itself_is_one_source(tmp_path):
    for index, image in enumerate(clock(3)):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    assert scan(tmp_path) == [tmp_path]
    with pytest.raises(ValueError, match="must be a folder"):
        scan(tmp_path / "0.png")


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("red_ball-003.mp4", "red ball"), ("0001.mp4", None), ("redBall.webm", "red Ball"),
        ("a.dog.runs.mov", "a dog runs"),
        ("IMG_2041.jpg", None), ("grüner Würfel.mp4", "grüner Würfel"), ("take 1", "take"),
    ],
)  # fmt: skip
def test_a_file_name_is_made_into_words(name, caption):
    assert from_name(name) == caption


def test_captions_come_from_the_first_that_has_one(tmp_path):
    source = touch(tmp_path / "red_ball.mp4")
    assert annotate(source, tmp_path, CaptionTable()).caption == "red ball"
    touch(tmp_path / "captions.csv", b"file,caption,speed,angle,who\nred_ball.mp4,from the table,1.5,90,Ann\n")
    table = read_table(tmp_path)
    said = annotate(source, tmp_path, table)
    assert said.caption == "from the table" and said.numbers.tolist() == [1.5, 90.0]
    touch(tmp_path / "red_ball.txt", b"  from the text\n file ")
    assert annotate(source, tmp_path, table).caption == "from the text file"
    touch(tmp_path / "red_ball.json", json.dumps({"caption": "from json", "numbers": [[1, 2], [3, 4]]}).encode())
    said = annotate(source, tmp_path, table)
    assert (
        said.caption == "from json" and said.numbers.tolist() == [[1, 2], [3, 4]] and said.numbers.dtype == np.float32
    )
    assert said.notes == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "red_ball.json is left out"), (b"[1]", "must hold an object"), (b"\xff\xfe", "left out"),
        (b"[" * 100_000, "left out"),
        (b'{"numbers": [1, "x"]}', "list of numbers"), (b'{"numbers": [[1], [1, 2]]}', "list of numbers"),
        (b'{"numbers": [NaN]}', "finite"), (b'{"caption": 5}', "caption must be text"),
        (b'{"numbers": []}', r"\[numbers\]"),
    ],
)  # fmt: skip
def test_a_malformed_sidecar_is_named_and_the_next_one_is_asked(tmp_path, content, reason):
    source = touch(tmp_path / "red_ball.mp4")
    touch(tmp_path / "red_ball.json", content)
    touch(tmp_path / "red_ball.txt", b"a ball")
    said = annotate(source, tmp_path, CaptionTable())
    assert said.caption == "a ball" and said.numbers is None
    assert len(said.notes) == 1 and "red_ball.json" in said.notes[0]
    assert re.search(reason, said.notes[0])


def test_one_bad_cell_of_a_table_costs_one_row_its_numbers(tmp_path):
    rows = "path,text,speed\na.mp4,one,1\nb.mp4,two,fast\nsub/c.mp4,three,3\n"
    touch(tmp_path / "metadata.csv", rows.encode("utf-8-sig"))
    table = read_table(tmp_path)
    assert table.rows["a.mp4"].numbers.tolist() == [1] and table.rows["b.mp4"].numbers is None
    assert table.rows["b.mp4"].caption == "two" and table.rows["sub/c.mp4"].caption == "three"
    assert table.notes == ("metadata.csv line 3: speed must be a number, got 'fast'; its numbers are left out",)
    touch(tmp_path / "captions.csv", b"name,text\na.mp4,one\n")
    assert "column named file or path" in read_table(tmp_path).notes[0]

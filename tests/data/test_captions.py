import json
import re

import numpy as np
import pytest

from framefall.data.captions import CaptionTable, annotate, from_name, read_table


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


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
    found = annotate(source, tmp_path, table)
    assert found.caption == "from the table" and found.numbers.tolist() == [1.5, 90.0]
    touch(tmp_path / "red_ball.txt", b"  from the text\n file ")
    assert annotate(source, tmp_path, table).caption == "from the text file"
    touch(tmp_path / "red_ball.json", json.dumps({"caption": "from json", "numbers": [[1, 2], [3, 4]]}).encode())
    found = annotate(source, tmp_path, table)
    assert (
        found.caption == "from json"
        and found.numbers.tolist() == [[1, 2], [3, 4]]
        and found.numbers.dtype == np.float32
    )
    assert found.notes == ()


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
    found = annotate(source, tmp_path, CaptionTable())
    assert found.caption == "a ball" and found.numbers is None
    assert len(found.notes) == 1 and "red_ball.json" in found.notes[0]
    assert re.search(reason, found.notes[0])


def test_one_bad_cell_of_a_table_costs_one_row_its_numbers(tmp_path):
    rows = "path,text,speed\na.mp4,one,1\nb.mp4,two,fast\nsub/c.mp4,three,3\n"
    touch(tmp_path / "metadata.csv", rows.encode("utf-8-sig"))
    table = read_table(tmp_path)
    assert table.rows["a.mp4"].numbers.tolist() == [1] and table.rows["b.mp4"].numbers is None
    assert table.rows["b.mp4"].caption == "two" and table.rows["sub/c.mp4"].caption == "three"
    assert table.notes == ("metadata.csv line 3: speed must be a number, got 'fast'; its numbers are left out",)
    touch(tmp_path / "captions.csv", b"name,text\na.mp4,one\n")
    assert "column named file or path" in read_table(tmp_path).notes[0]


def test_a_column_of_words_that_nobody_reads_is_named(tmp_path):
    touch(tmp_path / "captions.csv", b"file,speed,prompt\na.mp4,1,a red ball\n")
    (note,) = read_table(tmp_path).notes
    assert note == "captions.csv: nobody reads the column prompt; captions are read from one named caption or text"
    touch(tmp_path / "captions.csv", b"file,caption,who\na.mp4,a red ball,Ann\n")  # the control: there are captions
    assert read_table(tmp_path).notes == ()

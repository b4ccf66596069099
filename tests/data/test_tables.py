import json

import pytest

from framefall.data.tables import read_lines, read_table


def table(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(folder / name)


@pytest.mark.parametrize("file_column", ["file", "path", "file_name", "video", "video_path", "File Path", "videoid"])
@pytest.mark.parametrize("text_column", ["caption", "text", "prompt", "cap"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "semicolons", "jsonl", "json"])
def test_a_table_is_read_in_every_usual_form(tmp_path, file_column, text_column, kind):
    row = {file_column: "0001" if file_column == "videoid" else "0001.mp4", text_column: "a lantern, swinging"}
    mark = {"csv": ",", "tsv": "\t", "semicolons": ";"}.get(kind)
    if mark:
        content = mark.join(row) + "\n" + mark.join(f'"{value}"' for value in row.values()) + "\n"
    else:
        content = json.dumps(row) + "\n" if kind == "jsonl" else json.dumps([row])
    found = table(tmp_path, f"metadata.{'csv' if kind == 'semicolons' else kind}", content)
    assert found.find("0001.mp4").caption == "a lantern, swinging" and found.notes == ()
    assert found.find("0002.mp4") is None


@pytest.mark.parametrize(
    "content",
    [
        '{"0001.mp4": "a kite"}',
        '{"0001": {"text": "a kite"}}',
        '{"videos": [{"video": "0001.mp4", "caption": "a kite"}]}',
    ],
)
def test_json_may_be_an_object_of_files(tmp_path, content):
    assert table(tmp_path, "all of them.json", content).find("0001.mp4").caption == "a kite"


def test_only_numbers_of_the_users_own_are_numbers(tmp_path):
    described = "num_frames,height,width,fps,Duration,aesthetic score,clip_score,index,frame_rate,resolution,Unnamed: 0"
    rows = f"path,text,{described},speed,angle\n" + "".join(
        f"{n}.mp4,a,1,2,3,4,5,6,7,8,9,10,11,{n}.5,90\n" for n in (1, 2)
    )
    found = table(tmp_path, "captions.csv", rows)
    assert found.find("1.mp4").numbers.tolist() == [1.5, 90] and found.find("2.mp4").numbers.tolist() == [2.5, 90]
    assert ": conditioning numbers are read from speed, angle" in found.notes
    assert any("num_frames, height, width" in note and "no conditioning numbers" in note for note in found.notes)


def test_a_column_of_numbers_is_taken_as_it_is_and_alone(tmp_path):
    found = table(tmp_path, "metadata.jsonl", '{"video": "1.mp4", "text": "a", "numbers": [1, 2], "speed": 3}\n')
    assert found.find("1.mp4").numbers.tolist() == [1, 2]
    found = table(tmp_path, "captions.csv", 'file,caption,numbers,speed\n1.mp4,a,"1.5, 2",3\n2.mp4,b,x,3\n')
    assert found.find("1.mp4").numbers.tolist() == [1.5, 2] and found.find("2.mp4").numbers is None
    assert " line 3: numbers must be a list of numbers, got 'x'; its numbers are left out" in found.notes


def test_one_bad_cell_of_a_table_costs_one_row_its_numbers(tmp_path):
    rows = "path,text,speed\na.mp4,one,1\nb.mp4,two,fast\nsub/c.mp4,three,3\n"
    found = table(tmp_path, "metadata.csv", rows.encode("utf-8-sig"))
    assert found.rows["a.mp4"].numbers.tolist() == [1] and found.rows["b.mp4"].numbers is None
    assert found.rows["b.mp4"].caption == "two" and found.rows["sub/c.mp4"].caption == "three"
    assert " line 3: speed must be a number, got 'fast'; its numbers are left out" in found.notes


def test_a_column_of_words_that_nobody_reads_is_named(tmp_path):
    (note, _) = table(tmp_path, "captions.csv", "file,speed,remark\na.mp4,1,a red ball\n").notes
    assert note == ": nobody reads the column remark; captions are read from one named caption or text"
    assert table(tmp_path, "captions.csv", "file,caption,who\na.mp4,a red ball,Ann\n").notes == ()  # the control


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("captions.csv", "name,text\na.mp4,one\n", "column named file or path"),
        ("captions.csv", "", "no rows"),
        ("any.csv", "x,y\n1,2\n", "column named file or path"),
        ("metadata.json", "{", "left out"),
        ("a.jsonl", "{}\n{", "left out"),
        ("metadata.parquet", "PAR1", "no table that can be read"),
        ("captions.csv", b"\xff\xfea", "UTF-16"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, name, content, reason):
    found = table(tmp_path, name, content)
    assert not found.rows and reason in found.notes[0]


def test_any_other_json_is_no_table(tmp_path):
    assert table(tmp_path, "settings.json", '{"steps": 5}') is None and table(tmp_path, "a.json", "{") is None
    assert table(tmp_path, "notes.txt", "file,caption") is None


def test_rows_name_files_as_they_do_anywhere(tmp_path):
    rows = [
        "file,caption",
        "C:\\data\\videos\\a.mp4,windows",
        "/mnt/set/b/c.mp4,absolute",
        "./d.mp4,dot",
        '"e.mp4","two\nlines"',
    ]
    found = table(tmp_path, "captions.csv", "\n".join(rows))
    captions = {
        name: found.find(name).caption for name in ("videos/a.mp4", "a.mp4", "b/c.mp4", "d.mp4", "sub/d.mp4", "e.mp4")
    }
    assert captions == {
        "videos/a.mp4": "windows",
        "a.mp4": "windows",
        "b/c.mp4": "absolute",
        "d.mp4": "dot",
        "sub/d.mp4": "dot",
        "e.mp4": "two lines",
    }
    assert found.find("x/c.mp4") is None  # the control: another folder's file of that name


def test_a_name_that_could_be_two_rows_is_neither(tmp_path):
    found = table(tmp_path, "captions.csv", "file,caption\na/1.mp4,one\nb/1.mp4,other\n")
    assert found.find("1.mp4") is None and found.find("b/1.mp4").caption == "other"


def test_letters_with_accents_are_the_same_in_one_piece_or_two(tmp_path):
    found = table(tmp_path, "captions.csv", "file,caption\ncafé.mp4,composed\n")
    assert found.find("cafe\u0301.mp4").caption == "composed"


def test_half_of_a_character_in_a_table_is_said(tmp_path):
    found = table(tmp_path, "metadata.jsonl", b'{"file": "a.mp4", "text": "a \\ud83d b"}\n')
    assert found.find("a.mp4").caption == "a � b" and "line 1: half of a character" in found.notes[0]


def test_no_half_of_a_character_is_in_a_columns_name(tmp_path):
    found = table(tmp_path, "metadata.jsonl", b'{"file": "a.mp4", "spe\\ud83ded": 3}\n')
    assert "spe�ed" in str(found.notes)
    str(found.notes).encode()


def test_lines_are_counted_from_one(tmp_path):
    (tmp_path / "videos.txt").write_text("a.mp4\nb.mp4\n")
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    assert read_lines(tmp_path / "videos.txt", tmp_path / "prompts.txt").find("b.mp4").where == "prompts.txt line 2"

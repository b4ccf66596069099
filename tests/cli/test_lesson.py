"""`framefall lesson`."""

import json


def test_the_lesson_is_written_and_nothing_of_others_is_replaced(framefall, tmp_path):
    said = framefall("lesson", "-o", tmp_path / "site", "--json")
    assert said.code == 0 and "python -m http.server" in said.err
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    told = json.loads(said.out)
    assert told["folder"] == str(tmp_path / "site") and 0 < told["files"] <= len(files)
    assert (tmp_path / "site" / "lesson" / "index.html").is_file()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    said = framefall("lesson", "-o", tmp_path / "other")
    assert said.code == 1 and "choose another name" in said.err
    assert (tmp_path / "other" / "mine.txt").read_text() == "mine"

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from framefall.data.media.decode import decode
from framefall.data.media.writer import write

REFUSED = [
    ("evaluate {there}/nowhere", 1, "clips must be a file or folder that exists"),
    ("evaluate {there}/empty", 1, "must hold at least one readable video, got none"),
    ("evaluate {clips} --report {there}/file.txt", 1, "is a file, and a folder is to be written"),
    ("evaluate {clips} --reference {there}/empty", 1, "must hold at least one readable video, got none"),
    ("evaluate {clips} --model {trained}", 2, "No such option"),
    ("evaluate", 2, "Missing argument"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)


@pytest.fixture(scope="module")
def tiny(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six real frames of 44x36."""
    path = tmp_path_factory.mktemp("tiny") / "talk.mkv"
    frames = [frame.pixels for frame in islice(decode(real / "carphone_pristine.mp4", short_side=36), 6)]
    write(path, [np.stack(frames)], 24.0)
    return path


def test_json_is_one_object_and_a_report_is_files(tiny: Path, framefall: Callable, tmp_path: Path) -> None:
    said = framefall("evaluate", tiny, "--json", "--report", tmp_path / "report")
    assert said.code == 0, said.err
    values = json.loads(said.out)
    assert values["n"] == 1 and values["metrics"]["flicker"]["low"] is None  # one clip has no interval
    written = json.loads((tmp_path / "report" / "scores.json").read_text())
    assert written.pop("framefall-sha256") and written == values
    assert "report.html is written" in said.err and (tmp_path / "report" / "report.html").exists()


def test_the_table_of_one_clip_has_no_interval_and_real_video_beside(tiny: Path, framefall: Callable) -> None:
    said = framefall("evaluate", tiny)
    heading, *lines = said.out.splitlines()
    assert heading.split() == ["metric", "value", "better", "unit", "real", "video"]
    assert any(line.startswith("flicker ") and " .. " in line for line in lines)

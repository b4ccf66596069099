"""A finished clip's contact sheet and scores, beside it."""

import json
from pathlib import Path

from PIL import Image

from framefall.evaluate.report.table import LINES
from framefall.runs.evaluation.clip_report import report


def test_a_clip_has_its_sheet_and_scores_beside_it_and_a_table_that_fits(generated: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(min(generated.glob("*.mp4")).read_bytes())
    text, values = report(path)
    written = json.loads(path.with_suffix(".json").read_text())
    assert written.pop("framefall-sha256") and written == values and values["n"] == 1
    with Image.open(path.with_suffix(".png")) as sheet:
        assert sheet.width > 64
    lines = text.splitlines()
    assert len(lines) <= LINES and lines[0].split() == ["metric", "value", "better", "unit", "real", "video"]
    assert str(path.with_suffix(".json")) in lines[-1]

"""Whatever footage is given: a number or a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from framefall.data.media.writer import write


def test_odd_clips_get_a_number_or_a_sentence(framefall: Callable, tmp_path: Path) -> None:
    rows = np.arange(1080, dtype=np.uint16)[None, :, None, None] // 8
    odd = {
        "black": np.zeros((20, 32, 32, 3), np.uint8),
        "one": np.full((1, 32, 32, 3), 90, np.uint8),
        "large": np.broadcast_to(rows, (2, 1080, 1920, 3)),
        "grey": np.random.default_rng(0).integers(0, 255, (12, 32, 32, 1), np.uint8),
    }
    for name, pixels in odd.items():
        write(tmp_path / f"{name}.mkv", [np.ascontiguousarray(pixels, dtype=np.uint8)], 12.0)
    (tmp_path / "text.mp4").write_text("words")
    said = framefall("evaluate", tmp_path, "--json", "--report", tmp_path / "report")
    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    values = json.loads(said.out)
    assert values["n"] == 4
    assert "text.mp4" in values["skipped"]
    for clip in ("black.mkv", "one.mkv"):
        assert values["metrics"]["flicker"]["per_clip"][clip] is None
        assert values["reasons"][clip]
    assert (tmp_path / "report" / "report.html").read_text().count("<video") >= 1

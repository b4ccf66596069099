"""Measuring: the library's numbers, its page, and the frames that a metric complains of."""

from pathlib import Path

import numpy as np
import pytest
from serving import Served

from framefall.data.media.writer import write
from framefall.runs.evaluation.evaluate import assess


@pytest.fixture
def flickering(tmp_path: Path) -> Path:
    """A square that moves, in the light of a lamp that fails at frame 8."""
    frames = np.full((16, 48, 48, 3), 60, np.uint8)
    for number in range(16):
        frames[number, 18:30, 4 + 2 * number : 16 + 2 * number] = (200, 60, 40)
    frames[8] = np.minimum(frames[8].astype(int) + 60, 255)
    write(tmp_path / "flickers.mp4", [frames], 12.0)
    return tmp_path / "flickers.mp4"


def test_numbers_are_the_librarys_and_the_bad_frame_is_marked(studio: Served, flickering: Path) -> None:
    clip = studio.upload(flickering)
    found = studio.done("measure", {"uploads": [clip["id"]]})
    (measured,) = found["result"]["clips"]
    (ours,) = assess(flickering).clips
    for metric, value in measured["scores"].items():
        assert (value is None and not np.isfinite(ours.scores[metric])) or value == ours.scores[metric]
    assert measured["video"] == clip["id"] and measured["tracks"]
    marks = [one for one in measured["marks"] if one["metric"] == "flicker"]
    assert any(one["first"] <= 8 <= one["last"] for one in marks) and all(one["text"] for one in marks)
    page = studio.client.get(f"/api/files/{found['result']['page']}")
    assert "sandbox" in page.headers["content-security-policy"] and page.headers["content-type"].startswith("text/html")
    assert studio.client.get(f"/api/files/{found['result']['json_file']}").json()["n"] == 1

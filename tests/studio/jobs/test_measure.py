"""Measuring: the library's numbers, its page, the frames that a metric complains of, and tracks to draw."""

from pathlib import Path

import numpy as np
import pytest
from serving import Served, place_of

from framefall.data.media.writer import write
from framefall.evaluate.metrics import observed
from framefall.progress import finish
from framefall.runs.evaluation import pages
from framefall.runs.evaluation.evaluate import assess
from framefall.studio.jobs.measure import run
from framefall.studio.jobs.work import Work
from framefall.studio.queue import Queue, Stored
from framefall.studio.schemas import Measure
from framefall.tracking.tracker import track


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


def test_tracks_lie_where_the_thing_is(studio: Served, flickering: Path) -> None:
    clip = studio.upload(flickering)
    found = studio.done("measure", {"uploads": [clip["id"]]})["result"]["clips"][0]
    tracks = studio.client.get(f"/api/files/{found['tracks']}").json()
    assert (tracks["width"], tracks["height"], tracks["fps"]) == (48, 48, 12.0)
    (path,) = [one for one in tracks["paths"] if len(one["frames"]) > 8]
    for frame, (x, y) in zip(path["frames"], path["places"], strict=True):
        assert abs(x - (10 + 2 * frame)) < 1.5 and abs(y - 24) < 1.5  # the middle of the square
    assert all(one["path"] < len(tracks["paths"]) for one in tracks["events"])


def test_a_clip_is_tracked_once(tmp_path: Path, flickering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its scores, its marks, what is drawn and the page of the report; nobody else looks for them again."""
    seen = []

    def counted(video, fps):
        seen.append(video.shape)
        return track(video, fps)

    for module in (observed, pages):
        monkeypatch.setattr(module, "track", counted)
    place = place_of(tmp_path / "home")
    queue = Queue(place.home.database)
    (place.home.uploads / "a.mp4").write_bytes(flickering.read_bytes())
    queue.keep(Stored(id="a", path="uploads/a.mp4", about={"name": "a.mp4", "bytes": 1}))
    asked = Measure(uploads=["a"])
    queue.submit("measure", asked.model_dump())
    job = queue.claim("here")
    assert job is not None
    found = finish(run(asked, Work(place=place, queue=queue, job=job, device="cpu")))
    queue.close()
    assert len(seen) == 1 and found.clips[0].tracks and found.page

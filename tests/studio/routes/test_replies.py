"""Rows of the queue as they are answered."""

from pathlib import Path

from framefall.studio.answers import PREVIEW
from framefall.studio.queue import Queue, Stored
from framefall.studio.routes.replies import file_of, job_of


def test_a_preview_is_no_output_and_progress_is_that_of_now(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.submit("look", {})
    job = queue.claim("here")
    assert job is not None
    about = {"name": "a.mp4", "type": "video/mp4", "bytes": 1, "sha256": "0"}
    queue.show(job, "base", Stored(id="p", path="jobs/p", about=about | {"kind": PREVIEW}), {}, None)
    queue.add(job, Stored(id="o", path="models/o", about=about | {"kind": "video"}))
    queue.say(job, "note", {"text": "a note"})
    told = {"stage": "base", "what": "frames", "step": 1, "steps": 4, "done": 0.25, "eta": None}
    queue.say(job, "progress", told, "")
    found = job_of(queue, queue.job(job.id))
    assert [one.id for one in found.outputs] == ["o"] and found.notes == ["a note"]
    assert found.progress is not None and found.progress.done == 0.25 and found.state == "running"
    queue.finish(job, "done")
    assert job_of(queue, queue.job(job.id)).progress is None
    assert file_of(queue.file("o")).url == "/api/files/o"

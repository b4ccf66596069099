"""An attempt's own folder, uploads and outputs."""

from pathlib import Path

import pytest
from serving import place_of

from framefall import publish
from framefall.studio.jobs.work import Work
from framefall.studio.queue import Queue, Stored


@pytest.fixture
def work(tmp_path: Path) -> Work:
    place = place_of(tmp_path / "home")
    queue = Queue(place.home.database)
    queue.submit("look", {})
    job = queue.claim("here")
    assert job is not None
    return Work(place=place, queue=queue, job=job, device="cpu")


def test_an_output_is_said_with_its_hash_and_below_the_home(work: Work) -> None:
    path = work.folder / "clips" / "clip.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"clip")
    id = work.output(path, stage="base", clip=0)
    (found,) = work.outputs
    assert found.id == id and found.path == f"jobs/{work.job.id}/1/clips/clip.mp4"
    assert found.about["sha256"] == publish.sha256(path) and found.about["kind"] == "video"


def test_an_upload_that_is_gone_is_said(work: Work) -> None:
    path = work.place.home.uploads / "a.png"
    path.write_bytes(b"x")
    work.queue.keep(Stored(id="a", path="uploads/a.png", about={"name": "mine.png", "bytes": 1}))
    assert work.upload("a") == path
    path.unlink()
    with pytest.raises(ValueError, match=r"mine\.png is not there any more"):
        work.upload("a")
    work.queue.add(work.job, Stored(id="b", path="jobs/b.png", about={"name": "b", "kind": "picture"}))
    with pytest.raises(ValueError):  # an output is no upload
        work.upload("b")

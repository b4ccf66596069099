"""How rows of the queue become answers."""

from typing import Any

from framefall.studio.answers import ENDED, PREVIEW, File, Job, Upload
from framefall.studio.queue import Job as Row
from framefall.studio.queue import Queue, Stored
from framefall.studio.routes.served import LAST


def file_of(stored: Stored) -> File:
    """A file as it is answered."""
    return File(id=stored.id, url=f"/api/files/{stored.id}", **stored.about)


def upload_of(stored: Stored) -> Upload:
    """An upload as it is answered."""
    about = {name: value for name, value in stored.about.items() if name != "sha256"}
    return Upload(id=stored.id, url=f"/api/files/{stored.id}", **about)


def job_of(queue: Queue, row: Row, *, brief: bool = False) -> Job:
    """A job as it is answered, with what was said of it; `brief`: of one that has ended without that."""
    said: dict[str, list[dict[str, Any]]] = {"progress": [], "note": [], "loss": []}
    after = LAST if brief and row.state in ENDED else 0
    while found := queue.events(row.id, after, 5000):
        after = found[-1].number
        for event in found:
            if event.name in said:
                said[event.name].append(event.data)
    return Job(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]
        request=row.request,
        state=row.state,  # type: ignore[arg-type]
        sentence=row.sentence,
        progress=said["progress"][-1] if said["progress"] and row.state == "running" else None,  # type: ignore[arg-type]
        outputs=[file_of(one) for one in queue.files(row.id) if one.about["kind"] != PREVIEW],
        result=row.result,  # type: ignore[arg-type]
        notes=[one["text"] for one in said["note"]],
        losses=said["loss"],  # type: ignore[arg-type]
        created=row.created,
        started=row.started,
        ended=row.ended,
        attempt=row.attempt,
        cancelling=row.state == "running" and row.cancelled is not None,
        again=row.again,
    )

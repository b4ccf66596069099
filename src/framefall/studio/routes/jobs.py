"""Jobs: submitted, looked at, followed, cancelled, made again, deleted."""

import asyncio
import shutil
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query
from fastapi.responses import Response
from sse_starlette.sse import EventSourceResponse

from framefall.studio.answers import ENDED, Job, Jobs
from framefall.studio.events import NAMES
from framefall.studio.events import events as happened
from framefall.studio.queue import Refused
from framefall.studio.routes.replies import job_of
from framefall.studio.routes.served import LAST, Id, Served
from framefall.studio.schemas import Submission, Train, plain

router = APIRouter(prefix="/api/jobs", tags=["jobs"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="a name of the request: sent again under it, it is not done twice",
    ),
]
STOPS = 2.0  # seconds in which a cancelled job ends


@router.post("", status_code=202)
def submit(served: Served, asked: Annotated[Submission, Body()], key: Key = None) -> Job:
    """A new job, or the one that was accepted under the same Idempotency-Key."""
    request = asked.request
    _check(served, asked)
    row, new = served.queue.submit(asked.kind, plain(request), key)
    if new:
        served.supervisor.wake()
    return job_of(served.queue, row)


@router.get("")
def listed(
    served: Served,
    most: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, le=LAST)] = None,
) -> Jobs:
    """Jobs, the newest first; notes and losses of those that have ended are with the single job."""
    rows = served.queue.jobs(most, before)
    found = [job_of(served.queue, row, brief=True) for row in rows]
    return Jobs(jobs=found, before=rows[-1].number if len(rows) == most else None)


@router.get("/{id}")
def one(served: Served, id: Id) -> Job:
    """A job as it stands."""
    return job_of(served.queue, served.queue.job(id))


@router.post("/{id}/cancel")
async def cancel(served: Served, id: Id) -> Job:
    """Ends a job, and answers when it has ended; one that has ended before stays as it is.

    A training saves the step that it is at, within half a minute, and can go on from there.
    """
    row = await asyncio.to_thread(served.queue.cancel, id)
    if row.state == "cancelled":
        await asyncio.to_thread(served.supervisor.tidy, row)
    served.supervisor.wake()
    ends = asyncio.get_running_loop().time() + STOPS
    while row.state not in ENDED and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(0.02)
        row = served.queue.job(id)
    return job_of(served.queue, row)


@router.post("/{id}/again", status_code=202)
def again(served: Served, id: Id, key: Key = None) -> Job:
    """The same request as a new job; its result says whether every file came out the same, bit for bit."""
    old = served.queue.job(id)
    row, new = served.queue.submit(old.kind, old.request, key, again=old.id)
    if new:
        served.supervisor.wake()
    return job_of(served.queue, row)


@router.post("/{id}/resume", status_code=202)
def resume(served: Served, id: Id, key: Key = None) -> Job:
    """A training that was stopped, or has failed, as a new job that goes on where it was."""
    old = served.queue.job(id)
    if old.kind != "train" or old.state not in ENDED:
        raise Refused(409, "only a training that has ended can go on; cancel it first")
    first = old.request.get("resume") or old.id
    row, new = served.queue.submit("train", {**old.request, "resume": first}, key)
    if new:
        served.supervisor.wake()
    return job_of(served.queue, row)


@router.delete("/{id}", status_code=204)
def delete(served: Served, id: Id) -> Response:
    """Forgets a job that has ended, with its outputs. A model that it has trained stays."""
    served.queue.delete(id)
    shutil.rmtree(served.place.home.job(id), ignore_errors=True)
    return Response(status_code=204)


_EVENT = {  # as OpenAPI 3.2 describes an event of a stream
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": list(NAMES)},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}


@router.get(
    "/{id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"itemSchema": _EVENT}},
            "description": (
                "Server-sent events; the data of each is JSON. `state` {state, attempt?, sentence?}; `progress`"
                " (Progress); `preview` (Preview); `loss` (LossPoint); `note` {text}; `output` (File); `end` {state} is"
                " the last. The header Last-Event-ID resumes after an event; without it all come from the beginning."
            ),
        }
    },
)
async def follow(
    served: Served,
    id: Id,
    last: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=LAST)] = 0,
) -> Any:
    """What happens to a job, as it happens."""
    served.queue.job(id)
    return EventSourceResponse(happened(served.queue, id, last), ping=15)


def _check(served: Served, asked: Any) -> None:
    """Refuses what names a model, an upload or a folder that is not there, before it waits in the queue."""
    request = asked.request
    settings = [request] if asked.kind == "generate" else [request.a, request.b] if asked.kind == "compare" else []
    uploads = [upload for one in settings for upload in one.use.uploads]
    if asked.kind == "measure":
        uploads += [*request.uploads, *request.reference]
    for one in settings:
        served.place.model(one.model)
    for upload in uploads:
        if served.queue.file(upload).job is not None:
            raise Refused(404, "there is no upload of this id")
    if asked.kind in ("look", "estimate", "train"):
        served.place.roots.path(request.folder)
    if isinstance(request, Train) and request.resume is not None and served.queue.job(request.resume).kind != "train":
        raise Refused(422, "resume must name a training job")

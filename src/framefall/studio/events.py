"""What happens to a job as server-sent events, from the beginning or from the last one that a page has seen."""

import asyncio
import json
from collections.abc import AsyncIterator

from sse_starlette.event import ServerSentEvent

from framefall.studio.queue import Queue, Refused

EVERY = 0.1  # seconds between two looks
NAMES = ("state", "progress", "preview", "loss", "note", "output", "end")


async def events(queue: Queue, job: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """The events of a job after the one of a number, until its end, or until it is deleted."""
    while True:
        found = queue.events(job, after)
        for event in found:
            after = event.number
            yield ServerSentEvent(json.dumps(event.data), event=event.name, id=str(event.number), retry=1000)
            if event.name == "end":
                return
        if not found:
            try:
                if queue.job(job).state not in ("queued", "running") and not queue.events(job, after, 1):
                    yield ServerSentEvent(json.dumps({"state": queue.job(job).state}), event="end", id=str(after))
                    return
            except Refused:
                return
            await asyncio.sleep(EVERY)

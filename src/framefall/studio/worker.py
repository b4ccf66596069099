"""The worker: one process that runs one job at a time, and ends when its server does."""

import logging
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from framefall.studio.answers import PREVIEW
from framefall.studio.place import Place
from framefall.studio.queue import Job, Queue

if TYPE_CHECKING:
    from framefall.studio.jobs.work import Work

IDLE = 2.0  # seconds after which it looks for a job that nobody has told it of
LOG = 1 << 20  # bytes of its log, of which one more is kept


def main(arguments: Sequence[str]) -> None:
    """What the server starts: its name and its place; it reads a line whenever there may be a job."""
    name, place = arguments[0], Place.read(arguments[1])
    awake = threading.Event()
    threading.Thread(target=_listen, args=(awake,), daemon=True).start()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    log = logging.getLogger("framefall.studio.worker")
    log.addHandler(RotatingFileHandler(place.home.log, maxBytes=LOG, backupCount=1, encoding="utf-8"))
    queue, device = Queue(place.home.database), _device(place.device)
    from framefall.studio import narrator  # noqa: F401  takes seconds, and is loaded before there is a job
    from framefall.studio.jobs import generate  # noqa: F401

    while True:
        awake.clear()
        job = queue.claim(name)
        if job is None:
            awake.wait(IDLE)
            continue
        run(queue, place, job, device, log)


def run(queue: Queue, place: Place, job: Job, device: str, log: logging.Logger) -> None:
    """Runs one attempt to its end, or to the first event after it was cancelled."""
    from framefall.studio.jobs.registry import KINDS
    from framefall.studio.jobs.work import Work
    from framefall.studio.narrator import Narrator

    work = Work(place=place, queue=queue, job=job, device=device)
    narrator, state, sentence, result = Narrator(work), "done", "", None
    try:
        events = KINDS[job.kind].run(job.request, work)
        while True:
            if not queue.wanted(job):
                events.close()
                state = "cancelled"
                break
            try:
                event = next(events)
            except StopIteration as end:
                result = end.value
                break
            narrator.tell(event)
        if result is not None:
            result = result.model_copy(update=_compared(work))
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        state, sentence = "failed", _sentence(error, place)
    except Exception as error:
        state, sentence = (
            "failed",
            f"the studio cannot do this ({type(error).__name__}: {error}); {place.home.log.name} says more",
        )
        log.error("job %s\n%s", job.id, traceback.format_exc())
    values = None if result is None or state != "done" else result.model_dump(mode="json")
    if state != "done":  # before anybody is told that it has ended
        shutil.rmtree(work.folder, ignore_errors=True)
    queue.finish(job, state, sentence, values, work.outputs if state == "done" else ())
    if not queue.holds(job, "done"):  # another attempt has the job
        shutil.rmtree(work.folder, ignore_errors=True)


def _compared(work: "Work") -> dict[str, bool]:
    """Of a job made again: whether all of its files are those of the first, bit for bit."""
    if work.job.again is None or work.job.kind != "generate":
        return {}
    outputs = [one for one in work.queue.files(work.job.again) if one.about["kind"] != PREVIEW]
    before = {one.about["name"]: one.about["sha256"] for one in outputs}
    now = {one.about["name"]: one.about["sha256"] for one in work.outputs}
    return {"same": before == now} if before else {}


def _sentence(error: BaseException, place: Place) -> str:
    """What went wrong, without the paths of this machine."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; ask for less at a time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return place.public(text) or type(error).__name__


def _device(name: str) -> str:
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _listen(awake: threading.Event) -> None:
    """Wakes the worker for every line; where the server is gone, so is the worker."""
    while os.read(0, 4096):
        awake.set()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

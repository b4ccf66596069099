"""The server's side of the worker: it is started, told of new jobs, ended where it does not stop, and started again."""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time

from framefall.studio.jobs.registry import KINDS
from framefall.studio.place import Place
from framefall.studio.queue import Job, Queue

GRACE = 0.7  # seconds in which a worker stops by itself
SAVES = 30.0  # seconds in which it may finish and save the step of a training that was stopped
EVERY = 0.05  # seconds between two looks
PAUSE = 1.0  # seconds before a worker that died at once is started again


class Supervisor:
    """One worker process, which dies with this one: it ends when the pipe to it does."""

    def __init__(self, place: Place, queue: Queue) -> None:
        self.place, self.queue = place, queue
        self._process: subprocess.Popen[bytes] | None = None
        self._name, self._started = "", 0.0
        self._asked: dict[str, float] = {}  # when the end of a job was first missed
        self._saving: float | None = None  # since when the worker has been left alone with a stopped training
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Supervisor":
        """Takes up what an earlier server has left, and starts the worker."""
        for job in self.queue.lost():
            self.tidy(job)
        self._sweep()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the worker; its job waits for the next server."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.end()

    @property
    def process(self) -> int | None:
        """The number of the worker's process."""
        return self._process.pid if self._process is not None else None

    def wake(self) -> None:
        """Tells the worker that there is something to do."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    def end(self) -> None:
        """Ends the worker at once, with every process that it has started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def tidy(self, job: Job) -> None:
        """Removes what attempts of a job that made nothing have left."""
        if job.state != "done":
            shutil.rmtree(self.place.home.job(job.id), ignore_errors=True)

    def _start(self) -> None:
        self._name, self._started = secrets.token_hex(8), time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, self._name, self.place.text()],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a group of its own, to be ended as one; Ctrl-C is the server's
        )

    async def _watch(self) -> None:
        while True:
            try:
                pause = self._look()
            except Exception:  # a full disk, say: whoever waits for a cancel must not wait for ever
                _LOG.exception("the worker could not be looked after; it is tried again")
                pause = PAUSE
            await asyncio.sleep(pause)

    def _look(self) -> float:
        """Does what is due; gives the seconds until the next look."""
        if self._process is None:
            self._start()
        assert self._process is not None
        if self._process.poll() is not None:
            lived = time.monotonic() - self._started
            self._gone(blame=True)
            return PAUSE if lived < PAUSE else 0.0
        running = self.queue.in_state("running")
        for job in running:
            if job.cancelled is not None and self._waited(job) > GRACE:
                if KINDS[job.kind].saves:  # whoever stopped it need not wait until its step is done and saved
                    self.queue.finish(job, "cancelled")
                    self._asked.pop(job.id, None)
                    self._saving = time.monotonic()
                    return EVERY
                self._gone(blame=False)  # if it has begun the next job meanwhile, that is not to blame
                return 0.0
        if running:
            self._saving = None  # it has gone on
        elif self._saving and time.monotonic() - self._saving > SAVES:
            self._gone(blame=False)
        return EVERY

    def _waited(self, job: Job) -> float:
        """Seconds since its end was asked for, by a clock that nobody sets."""
        return time.monotonic() - self._asked.setdefault(job.id, time.monotonic())

    def _gone(self, blame: bool) -> None:
        """Ends what is left of the worker; its job waits again, or has ended."""
        name, self._saving = self._name, None
        self.end()
        for job in self.queue.in_state("running"):  # before anybody is told that it has ended
            self.tidy(job)
        for job in self.queue.lost(name, blame):
            self._asked.pop(job.id, None)

    def _sweep(self) -> None:
        """Removes the folders of jobs that have made nothing, or are not there any more."""
        known = {job.id for job in self.queue.in_state("done")}
        for path in (self.place.home.path / "jobs").iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)


_LOG = logging.getLogger(__name__)
_CODE = "import sys; from framefall.studio.worker import main; main(sys.argv[1:])"

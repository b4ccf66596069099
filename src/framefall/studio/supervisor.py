"""The server's side of the worker: it is started, told of new jobs, ended where it does not stop, and started again."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time

from framefall.studio.place import Place
from framefall.studio.queue import Job, Queue

GRACE = 0.7  # seconds in which a worker stops by itself
EVERY = 0.05  # seconds between two looks
PAUSE = 1.0  # seconds before a worker that died at once is started again


class Supervisor:
    """One worker process, which dies with this one: it ends when the pipe to it does."""

    def __init__(self, place: Place, queue: Queue) -> None:
        self.place, self.queue = place, queue
        self._process: subprocess.Popen[bytes] | None = None
        self._name, self._started = "", 0.0
        self._asked: dict[str, float] = {}  # when the end of a job was first missed
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
            if self._process is None:
                self._start()
            assert self._process is not None
            if self._process.poll() is not None:
                lived = time.monotonic() - self._started
                self._gone()
                if lived < PAUSE:
                    await asyncio.sleep(PAUSE)
                continue
            for job in self.queue.in_state("running"):
                if job.cancelled is not None and self._waited(job) > GRACE:
                    self._gone()
                    break
            await asyncio.sleep(EVERY)

    def _waited(self, job: Job) -> float:
        """Seconds since its end was asked for, by a clock that nobody sets."""
        return time.monotonic() - self._asked.setdefault(job.id, time.monotonic())

    def _gone(self) -> None:
        """Ends what is left of the worker; its job waits again, or has ended."""
        name = self._name
        self.end()
        for job in self.queue.lost(name):
            self.tidy(job)
            self._asked.pop(job.id, None)

    def _sweep(self) -> None:
        """Removes the folders of jobs that have made nothing, or are not there any more."""
        known = {job.id for job in self.queue.in_state("done")}
        for path in (self.place.home.path / "jobs").iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)


_CODE = "import sys; from framefall.studio.worker import main; main(sys.argv[1:])"

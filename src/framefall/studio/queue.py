"""A queue of jobs that survives whatever is killed: one SQLite file, and a number on every attempt.

A job that was accepted is on the disk before anybody is told so, and ends once: done, failed or cancelled. A worker
that was taken for dead and is not has lost its attempt, and whatever it says then changes nothing (fencing). A job
whose worker dies three times is parked as failed. Times are of the wall clock, and nothing is decided by them.
"""

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
FAULTS = 3  # deaths of the worker that a job is given
WAITING = 100  # jobs that may be queued
BUSY = 30.0  # seconds to wait for another's transaction

_TABLES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    again TEXT,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    attempt INTEGER NOT NULL DEFAULT 0,
    faults INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    cancelled REAL,
    sentence TEXT NOT NULL DEFAULT '',
    result TEXT,
    created REAL NOT NULL,
    started REAL,
    ended REAL
);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    topic TEXT NOT NULL DEFAULT '',
    data TEXT NOT NULL
);
CREATE INDEX events_by_job ON events (job, number);
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    job TEXT REFERENCES jobs (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    about TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX files_by_job ON files (job);
"""


class Refused(ValueError):
    """Something that the queue does not do; `status` is HTTP's word for why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Job:
    """A row of the queue."""

    number: int
    id: str
    kind: str
    request: dict[str, Any]
    state: str
    attempt: int
    faults: int
    sentence: str
    again: str | None
    result: dict[str, Any] | None
    worker: str | None
    cancelled: float | None  # when it was asked for
    created: float
    started: float | None
    ended: float | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that was said of a job; numbers grow."""

    number: int
    name: str
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file of the studio: `path` is below its home, `about` is what is said of it."""

    id: str
    path: str
    about: dict[str, Any] = field(default_factory=dict)
    job: str | None = None
    created: float = 0.0


class Queue:
    """The queue in a file. One object serves all threads of a process; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._base = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._base.row_factory = sqlite3.Row
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA foreign_keys = ON")
        with self._writing() as base:
            found = base.execute("PRAGMA user_version").fetchone()[0]
            if found > FORMAT:
                raise ValueError(f"{path} was written by a newer Framefall: update it, or choose another --home")
            if not found:
                for statement in _TABLES.split(";"):
                    base.execute(statement)
                base.execute(f"PRAGMA user_version = {FORMAT}")

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._base.close()

    # what clients do

    def submit(
        self, kind: str, request: Mapping[str, Any], key: str | None = None, again: str | None = None
    ) -> tuple[Job, bool]:
        """A new job and True, or the one that was accepted under the same key before and False."""
        text, now = json.dumps(request, sort_keys=True), time.time()
        with self._writing() as base:
            row = base.execute("SELECT * FROM jobs WHERE key = ?", (key,)).fetchone() if key is not None else None
            if row is not None:
                if (row["kind"], row["request"]) != (kind, text):
                    raise Refused(409, "this Idempotency-Key was used for another request; take a new one")
                return _job(row), False
            if base.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()[0] >= WAITING:
                raise Refused(429, f"{WAITING} jobs are waiting already; cancel some, or come again later")
            job = secrets.token_hex(8)
            base.execute(
                "INSERT INTO jobs (id, key, kind, request, again, state, created) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
                (job, key, kind, text, again, now),
            )
            _say(base, job, "state", {"state": "queued"})
            return self._get(base, job), True

    def cancel(self, job: str) -> Job:
        """Ends a queued job, and asks for the end of one that runs; one that has ended stays as it is."""
        with self._writing() as base:
            found = self._get(base, job)
            if found.state == "queued":
                _end(base, found, "cancelled", "")
            elif found.state == "running" and found.cancelled is None:
                base.execute("UPDATE jobs SET cancelled = ? WHERE id = ?", (time.time(), job))
            return self._get(base, job)

    def delete(self, job: str) -> None:
        """Forgets a job that has ended, and its files."""
        with self._writing() as base:
            if self._get(base, job).state in ("queued", "running"):
                raise Refused(409, "a job must have ended to be deleted; cancel it first")
            base.execute("DELETE FROM jobs WHERE id = ?", (job,))

    def job(self, job: str) -> Job:
        """The job of an id; `Refused` where there is none."""
        with self._lock:
            return self._get(self._base, job)

    def jobs(self, most: int = 50, before: int | None = None) -> list[Job]:
        """Jobs, the newest first, from the one that came before number `before`."""
        with self._lock:
            rows = self._base.execute(
                "SELECT * FROM jobs WHERE number < ? ORDER BY number DESC LIMIT ?", (before or 2**62, most)
            ).fetchall()
        return [_job(row) for row in rows]

    def in_state(self, *states: str) -> list[Job]:
        """Jobs in one of these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        with self._lock:
            rows = self._base.execute(f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY number", states).fetchall()
        return [_job(row) for row in rows]

    def events(self, job: str, after: int = 0, most: int = 500) -> list[Event]:
        """What was said of a job after the event of a number."""
        with self._lock:
            rows = self._base.execute(
                "SELECT number, name, data FROM events WHERE job = ? AND number > ? ORDER BY number LIMIT ?",
                (job, after, most),
            ).fetchall()
        return [Event(number=row["number"], name=row["name"], data=json.loads(row["data"])) for row in rows]

    # what the worker does

    def claim(self, worker: str) -> Job | None:
        """The oldest job that waits, now running in a new attempt of this worker; none where none waits."""
        with self._writing() as base:
            row = base.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1").fetchone()
            if row is None:
                return None
            base.execute(
                "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = ?,"
                " started = coalesce(started, ?) WHERE id = ?",
                (worker, time.time(), row["id"]),
            )
            found = self._get(base, row["id"])
            _say(base, found.id, "state", {"state": "running", "attempt": found.attempt})
            return found

    def wanted(self, job: Job) -> bool:
        """Whether this attempt still has the job, and nobody has cancelled it."""
        with self._lock:
            row = self._base.execute("SELECT state, attempt, cancelled FROM jobs WHERE id = ?", (job.id,)).fetchone()
        return row is not None and tuple(row) == ("running", job.attempt, None)

    def holds(self, job: Job, state: str) -> bool:
        """Whether the job is in a state that this attempt has brought it to."""
        with self._lock:
            row = self._base.execute("SELECT state, attempt FROM jobs WHERE id = ?", (job.id,)).fetchone()
        return row is not None and tuple(row) == (state, job.attempt)

    def say(self, job: Job, name: str, data: Mapping[str, Any], topic: str | None = None) -> bool:
        """Adds an event of an attempt; with a `topic` in place of the last of that name and topic."""
        with self._writing(durable=False) as base:
            if not _has(base, job):
                return False
            _say(base, job.id, name, data, topic)
            return True

    def add(self, job: Job, file: Stored) -> bool:
        """Adds a file that an attempt has made."""
        with self._writing() as base:
            if not _has(base, job):
                return False
            _add(base, file, job.id)
            _say(base, job.id, "output", {"id": file.id, **file.about})
            return True

    def show(self, job: Job, topic: str, file: Stored, data: Mapping[str, Any], before: str | None) -> bool:
        """Adds a preview of an attempt, in place of the one of `before`."""
        with self._writing(durable=False) as base:
            if not _has(base, job):
                return False
            base.execute("DELETE FROM files WHERE id = ? AND job = ?", (before, job.id))
            _add(base, file, job.id)
            _say(base, job.id, "preview", data, topic)
            return True

    def finish(
        self,
        job: Job,
        state: str,
        sentence: str = "",
        result: Mapping[str, Any] | None = None,
        files: Sequence[Stored] = (),
    ) -> bool:
        """Ends an attempt, with all its files at once; False where it has lost the job. A cancelled one is not done."""
        with self._writing() as base:
            if not _has(base, job):
                return False
            cancelled = self._get(base, job.id).cancelled is not None
            if cancelled and state == "done":
                state, sentence, result, files = "cancelled", "", None, ()
            for file in files:
                _add(base, file, job.id)
            _end(base, job, state, sentence, result)
            return True

    # what the server does

    def lost(self, worker: str | None = None) -> list[Job]:
        """What becomes of the jobs of a worker that has died: they wait again, or are parked after three deaths.

        Without a worker: of all that run, because the server has died with its worker, and that is no job's fault.
        """
        with self._writing() as base:
            rows = base.execute(
                "SELECT * FROM jobs WHERE state = 'running' AND (? IS NULL OR worker = ?)", (worker, worker)
            ).fetchall()
            for job in map(_job, rows):
                faults = job.faults + (worker is not None and job.cancelled is None)
                base.execute("UPDATE jobs SET faults = ?, worker = NULL WHERE id = ?", (faults, job.id))
                base.execute("DELETE FROM files WHERE job = ? AND path LIKE 'jobs/%'", (job.id,))
                base.execute("DELETE FROM events WHERE job = ? AND name NOT IN ('state', 'note')", (job.id,))
                if job.cancelled is not None:
                    _end(base, job, "cancelled", "")
                elif faults >= FAULTS:
                    _end(base, job, "failed", f"it ended its worker {faults} times and is not tried again")
                else:
                    base.execute("UPDATE jobs SET state = 'queued' WHERE id = ?", (job.id,))
                    _say(base, job.id, "state", {"state": "queued"})
            return [self._get(base, row["id"]) for row in rows]

    # files

    def keep(self, file: Stored) -> None:
        """Adds a file that belongs to no job: an upload."""
        with self._writing() as base:
            _add(base, file, None)

    def forget(self, file: str) -> None:
        """Forgets an upload."""
        with self._writing() as base:
            base.execute("DELETE FROM files WHERE id = ? AND job IS NULL", (file,))

    def file(self, file: str) -> Stored:
        """The file of an id."""
        with self._lock:
            row = self._base.execute("SELECT * FROM files WHERE id = ?", (file,)).fetchone()
        if row is None:
            raise Refused(404, "there is no file of this id")
        return _stored(row)

    def files(self, job: str | None) -> list[Stored]:
        """The files of a job, or the uploads, in the order in which they came."""
        with self._lock:
            rows = self._base.execute("SELECT * FROM files WHERE job IS ? ORDER BY rowid", (job,)).fetchall()
        return [_stored(row) for row in rows]

    @contextlib.contextmanager
    def _writing(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer comes between; if `durable`, it is on the disk when the block ends."""
        with self._lock:
            self._base.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def _get(self, base: sqlite3.Connection, job: str) -> Job:
        row = base.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise Refused(404, "there is no job of this id")
        return _job(row)


def _has(base: sqlite3.Connection, job: Job) -> bool:
    """Whether an attempt still has its job."""
    row = base.execute("SELECT state, attempt FROM jobs WHERE id = ?", (job.id,)).fetchone()
    return row is not None and tuple(row) == ("running", job.attempt)


def _end(
    base: sqlite3.Connection, job: Job, state: str, sentence: str, result: Mapping[str, Any] | None = None
) -> None:
    base.execute(
        "UPDATE jobs SET state = ?, sentence = ?, result = ?, ended = ? WHERE id = ?",
        (state, sentence, None if result is None else json.dumps(result), time.time(), job.id),
    )
    base.execute("DELETE FROM events WHERE job = ? AND name = 'preview'", (job.id,))
    # the last previews stay with the outputs: a page that was told of them a moment ago may still ask for them
    if state != "done":  # what it has shown on its way is not its result, and goes
        base.execute("DELETE FROM files WHERE job = ? AND path LIKE 'jobs/%'", (job.id,))
    _say(base, job.id, "state", {"state": state, "sentence": sentence})
    _say(base, job.id, "end", {"state": state})


def _say(base: sqlite3.Connection, job: str, name: str, data: Mapping[str, Any], topic: str | None = None) -> None:
    if topic is not None:
        base.execute("DELETE FROM events WHERE job = ? AND name = ? AND topic = ?", (job, name, topic))
    base.execute(
        "INSERT INTO events (job, name, topic, data) VALUES (?, ?, ?, ?)", (job, name, topic or "", json.dumps(data))
    )


def _add(base: sqlite3.Connection, file: Stored, job: str | None) -> None:
    base.execute(
        "INSERT INTO files (id, job, path, about, created) VALUES (?, ?, ?, ?, ?)",
        (file.id, job, file.path, json.dumps(file.about), time.time()),
    )


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys() if name != "key"}  # noqa: SIM118
    result = values["result"]
    return Job(**values | {"request": json.loads(values["request"]), "result": result and json.loads(result)})


def _stored(row: sqlite3.Row) -> Stored:
    return Stored(
        id=row["id"], job=row["job"], path=row["path"], about=json.loads(row["about"]), created=row["created"]
    )

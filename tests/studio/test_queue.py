"""The queue against a model of it: whatever is done, killed or said too late, a job ends once and is never lost."""

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from examples import examples
from framefall.studio.queue import FAULTS, WAITING, Job, Queue, Refused, Stored


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue.sqlite")


class Machine(RuleBasedStateMachine):
    """Clients, workers and a server that act in any order, beside a dictionary that says what must be."""

    open = Queue  # what is tested; a control has another
    place: str | None = None  # where databases lie

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=self.place)
        self.queue = self.open(Path(self.folder.name) / "queue.sqlite")
        self.wanted: dict[str, str] = {}  # the state that each job must have
        self.keys: dict[str, str] = {}
        self.attempts: list[Job] = []  # all that were ever begun; some have lost their job
        self.ends: dict[str, int] = {}
        self.faults: dict[str, int] = {}
        self.asked: set[str] = set()  # whose end was asked for
        self.workers = 0

    def teardown(self) -> None:
        self.queue.close()
        self.folder.cleanup()

    def end(self, job: str, state: str) -> None:
        self.wanted[job] = state
        self.ends[job] = self.ends.get(job, 0) + 1

    @rule(key=st.none() | st.sampled_from("abc"))
    def submit(self, key: str | None) -> None:
        job, new = self.queue.submit("look", {"n": 1}, key)
        assert new == (key is None or key not in self.keys)
        if new:
            self.wanted[job.id] = "queued"
        else:
            assert job.id == self.keys[key or ""]
        if key is not None:
            self.keys[key] = job.id

    @rule()
    def claim(self) -> None:
        waiting = [job for job, state in self.wanted.items() if state == "queued"]
        job = self.queue.claim(f"worker-{self.workers}")
        assert (job is None) == (not waiting)
        if job is not None:
            assert job.id == waiting[0]
            self.wanted[job.id] = "running"
            self.attempts.append(job)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), state=st.sampled_from(["done", "failed", "cancelled"]))
    def finish(self, data: Any, state: str) -> None:
        """An attempt says that it is over; it may have lost its job long ago."""
        attempt = data.draw(st.sampled_from(self.attempts))
        current = self.wanted.get(attempt.id) == "running" and self.newest(attempt)
        file = Stored(id=f"{attempt.id}-{attempt.attempt}-{len(self.ends)}", path="jobs/x", about={"kind": "json"})
        assert self.queue.finish(attempt, state, files=[file]) == current
        if current:
            self.end(attempt.id, "cancelled" if state == "done" and attempt.id in self.asked else state)

    def newest(self, attempt: Job) -> bool:
        return attempt.attempt == max(one.attempt for one in self.attempts if one.id == attempt.id)

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        job = data.draw(st.sampled_from(list(self.wanted)))
        self.queue.cancel(job)
        if self.wanted[job] == "queued":
            self.end(job, "cancelled")
        elif self.wanted[job] == "running":
            self.asked.add(job)

    @rule(server=st.booleans())
    def lost(self, server: bool) -> None:
        """The worker dies, alone or with its server; the next one opens the file anew."""
        worker = f"worker-{self.workers}"
        if server:
            self.queue.close()
            self.queue = self.open(Path(self.folder.name) / "queue.sqlite")
        hit = [job for job, state in self.wanted.items() if state == "running"]
        self.queue.lost(None if server else worker)
        for job in hit:
            theirs = next(one.worker for one in reversed(self.attempts) if one.id == job)
            if not server and theirs != worker:
                continue
            if job in self.asked:
                self.end(job, "cancelled")
                continue
            self.faults[job] = self.faults.get(job, 0) + (not server)
            if self.faults[job] >= FAULTS:
                self.end(job, "failed")
            else:
                self.wanted[job] = "queued"
                self.wanted = dict(sorted(self.wanted.items(), key=lambda one: self.queue.job(one[0]).number))
        self.workers += 1

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        job = data.draw(st.sampled_from(list(self.wanted)))
        if self.wanted[job] in ("queued", "running"):
            with pytest.raises(Refused):
                self.queue.delete(job)
            return
        self.queue.delete(job)
        del self.wanted[job]
        self.keys = {key: one for key, one in self.keys.items() if one != job}
        assert self.queue.files(job) == [] and self.queue.events(job) == []

    @invariant()
    def agrees(self) -> None:
        assert {job.id: job.state for job in self.queue.jobs(1000)} == self.wanted
        assert all(count == 1 for count in self.ends.values())
        for job, state in self.wanted.items():
            said = [event for event in self.queue.events(job) if event.name == "end"]
            assert len(said) == (state not in ("queued", "running"))
            assert bool(self.queue.files(job)) <= (state == "done")


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=examples(20, 2000), stateful_step_count=25, deadline=None)


class Unfenced(Queue):
    """The naive queue: whoever says that a job is over is believed."""

    def finish(self, job: Job, state: str, sentence: str = "", result: Any = None, files: Any = ()) -> bool:
        with self._writing() as base:
            base.execute("UPDATE jobs SET state = ? WHERE id = ?", (state, job.id))
            return True


def test_a_queue_without_fences_fails_the_same_machine() -> None:
    class Naive(Machine):
        open = Unfenced

    Naive.TestCase.settings = settings(
        max_examples=200, stateful_step_count=25, deadline=None, database=None, phases=(Phase.generate,)
    )
    with pytest.raises(Exception):  # noqa: B017  whichever rule or invariant sees it first
        Naive.TestCase("runTest").runTest()


def test_an_attempt_that_was_given_up_changes_nothing(queue: Queue) -> None:
    queue.submit("look", {})
    first = queue.claim("one")
    assert first is not None
    queue.lost("one")
    second = queue.claim("two")
    assert second is not None and second.id == first.id and second.attempt == 2
    assert not queue.wanted(first) and not queue.say(first, "note", {"text": "late"})
    assert not queue.add(first, Stored(id="f", path="jobs/f", about={"kind": "json"}))
    assert not queue.finish(first, "done", result={"n": 1})
    assert queue.finish(second, "done", result={"n": 2})
    assert queue.job(first.id).result == {"n": 2}


def test_a_job_that_ends_its_worker_three_times_is_parked(queue: Queue) -> None:
    job, _ = queue.submit("look", {})
    queue.submit("look", {})
    for number in range(FAULTS):
        claimed = queue.claim(f"w{number}")
        assert claimed is not None and claimed.id == job.id
        queue.lost(f"w{number}")
    found = queue.job(job.id)
    assert found.state == "failed" and "ended its worker 3 times" in found.sentence
    following = queue.claim("w9")
    assert following is not None and following.id != job.id


def test_the_servers_own_death_is_no_jobs_fault(queue: Queue) -> None:
    job, _ = queue.submit("look", {})
    for _ in range(3 * FAULTS):
        assert queue.claim("w") is not None
        queue.lost()
    assert queue.job(job.id).state == "queued" and queue.job(job.id).faults == 0


def test_one_key_is_one_job_and_one_request(queue: Queue) -> None:
    first, new = queue.submit("look", {"folder": "a"}, "key")
    again, anew = queue.submit("look", {"folder": "a"}, "key")
    assert new and not anew and again.id == first.id
    with pytest.raises(Refused, match="another request") as error:
        queue.submit("look", {"folder": "b"}, "key")
    assert error.value.status == 409


def test_no_more_wait_than_may(queue: Queue) -> None:
    for _ in range(WAITING):
        queue.submit("look", {})
    with pytest.raises(Refused, match="are waiting already") as error:
        queue.submit("look", {})
    assert error.value.status == 429


def test_progress_and_previews_take_the_place_of_what_was_said_before(queue: Queue) -> None:
    queue.submit("look", {})
    job = queue.claim("w")
    assert job is not None
    for step in range(50):
        queue.say(job, "progress", {"step": step}, "")
        preview = Stored(id=f"p{step}", path=f"jobs/p{step}", about={"kind": "preview"})
        queue.show(job, "base", preview, {"step": step}, f"p{step - 1}")
    assert [event.data["step"] for event in queue.events(job.id) if event.name == "progress"] == [49]
    assert [file.id for file in queue.files(job.id)] == ["p49"]
    queue.finish(job, "done")
    assert [file.id for file in queue.files(job.id)] == ["p49"]  # a page may still ask for what it was told of
    assert [event for event in queue.events(job.id) if event.name == "preview"] == []


def test_a_file_of_a_later_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    Queue(path).close()
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="written by a newer Framefall"):
        Queue(path)

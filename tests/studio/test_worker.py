"""What becomes of a job that goes wrong: one sentence, no traceback, nothing left."""

import logging
from pathlib import Path

import pytest
from serving import place_of

from framefall.studio.jobs import registry
from framefall.studio.place import Place
from framefall.studio.queue import Queue
from framefall.studio.worker import run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_of(tmp_path / "home")


def outcome(place: Place, error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    def fails(request, work):
        work.folder.mkdir(parents=True)
        (work.folder / "half.mp4").write_bytes(b"half")
        yield from ()
        raise error

    monkeypatch.setitem(registry.KINDS, "look", type("Fails", (), {"run": staticmethod(fails)})())
    queue = Queue(place.home.database)
    finish = queue.finish

    def told(*ended) -> bool:
        assert list((place.home.path / "jobs").rglob("*.mp4")) == []  # when anybody is told, nothing is left already
        return finish(*ended)

    monkeypatch.setattr(queue, "finish", told)
    job, _ = queue.submit("look", {})
    claimed = queue.claim("here")
    assert claimed is not None
    run(queue, place, claimed, "cpu", logging.getLogger("framefall.studio.worker"))
    found = queue.job(job.id)
    queue.close()
    assert list((place.home.path / "jobs").rglob("*.mp4")) == []
    return found.state, found.sentence


def test_a_refusal_of_the_library_is_the_jobs_sentence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError(f"{place.home.attempt('0123456789abcdef', 1)}/clips/clip.mp4 must be another")
    assert outcome(place, error, monkeypatch) == ("failed", "clip.mp4 must be another")


def test_no_memory_and_no_space_are_said_in_words(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not enough memory" in outcome(place, MemoryError(), monkeypatch)[1]
    assert outcome(place, OSError(28, "No space left on device"), monkeypatch) == ("failed", "No space left on device")


def test_a_fault_of_ours_is_named_and_logged(place: Place, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    state, sentence = outcome(place, KeyError("x"), monkeypatch)
    assert state == "failed" and "KeyError" in sentence and "worker.log" in sentence
    assert "Traceback" in caplog.text and "Traceback" not in sentence

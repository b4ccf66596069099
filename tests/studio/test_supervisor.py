"""The worker and its server: it stops when it is told to, dies when it does not, and takes no job with it."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from serving import Served, place_of, served

from framefall.studio import supervisor
from framefall.studio.home import Home


def process(studio: Served) -> int:
    found = studio.app.state.studio.supervisor.process
    assert found is not None
    return found


def until(what: Any, within: float = 150.0) -> None:  # a worker starts slowly beside others
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def running(studio: Served, job: str) -> bool:
    return studio.client.get(f"/api/jobs/{job}").json()["state"] == "running"


def folder(home: Home, job: str) -> list[Path]:
    return list(home.job(job).rglob("*.mp4"))


def test_a_job_in_the_midst_of_something_long_stops_within_two_seconds(studio: Served, clips: Path, toy: str) -> None:
    """Measuring a clip is one step of many seconds: the worker is ended, and the next job has another."""
    clip = studio.upload(clips / "0001.mp4")
    job, other = studio.job("measure", {"uploads": [clip["id"]]}), studio.job("generate", {"model": toy, "frames": 5})
    until(lambda: running(studio, job["id"]))
    time.sleep(0.5)
    before, began = process(studio), time.monotonic()
    found = studio.client.post(f"/api/jobs/{job['id']}/cancel").json()
    assert found["state"] == "cancelled" and time.monotonic() - began < 2.0
    assert folder(studio.place.home, job["id"]) == []
    until(lambda: studio.app.state.studio.supervisor.process not in (None, before))
    assert studio.client.get(clip["url"]).status_code == 200
    done = studio.ended(other["id"])
    assert done["state"] == "done" and done["attempt"] == 1


def test_between_events_the_worker_stops_by_itself(studio: Served, toy: str) -> None:
    job = studio.job("generate", {"model": toy, "count": 16, "quality": "best"})
    until(lambda: studio.client.get(f"/api/jobs/{job['id']}").json()["progress"])
    before, began = process(studio), time.monotonic()
    found = studio.client.post(f"/api/jobs/{job['id']}/cancel").json()
    assert found["state"] == "cancelled" and time.monotonic() - began < 2.0
    assert found["outputs"] == [] and found["result"] is None
    assert folder(studio.place.home, job["id"]) == []  # at the moment at which it has ended
    assert process(studio) == before
    assert studio.client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def test_what_waits_when_the_server_goes_is_done_by_the_next(tmp_path: Path, trained: Path) -> None:
    place = place_of(tmp_path / "home", (trained,))
    with served(place) as first:
        model = next(one["id"] for one in first.client.get("/api/models").json() if one["origin"] == "given")
        jobs = [first.job("generate", {"model": model, "frames": 3, "seed": seed}) for seed in range(3)]
        dropped = first.job("generate", {"model": model})
        first.client.post(f"/api/jobs/{dropped['id']}/cancel")
        worker = process(first)
    with served(place) as second:
        assert [second.ended(job["id"])["state"] for job in jobs] == ["done"] * 3
        assert second.ended(dropped["id"])["state"] == "cancelled"
        killed = process(second)
        os.kill(killed, signal.SIGKILL)  # and without any job it is started again
        until(lambda: second.app.state.studio.supervisor.process not in (None, killed, worker))


@pytest.mark.parametrize("saves", [30.0, 0.0])
def test_a_stopped_training_has_ended_at_once_and_its_worker_is_left_to_save(
    studio: Served, toy: str, monkeypatch: pytest.MonkeyPatch, saves: float
) -> None:
    """And is ended where it takes too long, like any other."""
    (root,) = studio.client.get("/api/roots").json()
    asked = {"folder": root["id"], "recipe": "micro", "minutes": 1, "stages": ["base"]}
    job = studio.job("train", asked)
    until(lambda: studio.client.get(f"/api/jobs/{job['id']}").json()["losses"])
    before = process(studio)
    monkeypatch.setattr(supervisor, "GRACE", 0.0)  # as if its step were longer than that
    monkeypatch.setattr(supervisor, "SAVES", saves)
    if not saves:
        os.kill(before, signal.SIGSTOP)  # or it may be done before anybody looks
    began = time.monotonic()
    assert studio.client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert time.monotonic() - began < 2.0
    if not saves:
        until(lambda: studio.app.state.studio.supervisor.process not in (None, before))
        return
    model = studio.place.home.model(job["id"])
    until(lambda: list((model.with_name(f"{model.name}.training") / "base" / "checkpoints").glob("0*")))
    studio.done("generate", {"model": toy, "until": "base", "frames": 2})
    assert process(studio) == before

"""Jobs of the studio: none that was accepted is lost or done twice, whatever is killed; cancelled is stopped; days on.

    python tests/batteries/studio_jobs.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

COUNT jobs are submitted by several clients, a fifth of them twice under one key, while worker and server are killed
(SIGKILL) once for every ten jobs each; a quarter as many are cancelled at random moments; and COUNT more are a soak.
"""

import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from report import Report
from studios import HEADERS, Killable, descriptors, ended, given_model, killable, rss, tiny

from framefall import publish
from framefall.studio import supervisor
from framefall.studio.queue import Job, Queue

CLIENTS = 4
STOPS = 2.0  # seconds


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """All three promises."""
    return [
        kills(count, folder / "kills", seed),
        cancels(max(4, count // 4), folder / "cancels", seed),
        soak(count, folder / "soak", seed),
    ]


# ---------------------------------------------------------------- nothing that was accepted is lost


def kills(count: int, folder: Path, seed: int) -> Report:
    """Row 21: submitted while worker and server are killed."""
    generator = random.Random(seed)
    accepted: dict[str, str] = {}  # by key
    broken, hits = list[str](), 0
    with killable(folder) as server:
        with httpx.Client(base_url=server.url, headers=HEADERS) as client:
            model = given_model(client)
        keys = [f"key-{number}" for number in range(count)]
        sent = keys + generator.sample(keys, max(1, count // 5))
        generator.shuffle(sent)
        threads = [
            threading.Thread(target=_submit, args=(server, model, sent[one::CLIENTS], accepted, broken))
            for one in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        planned = ["worker", "server"] * max(1, count // 10)
        while planned and (_waiting(server) or any(thread.is_alive() for thread in threads)):
            if not _running(server):  # a moment in which nothing could be lost proves nothing
                time.sleep(0.01)
                continue
            time.sleep(generator.uniform(0.0, 0.3))
            hits += _running(server)
            if planned.pop() == "worker":
                server.kill_worker()
            else:
                server.kill()
                server.start()
        for thread in threads:
            thread.join()
        with httpx.Client(base_url=server.url, headers=HEADERS, timeout=30) as client:
            found = {job: ended(client, job, 600) for job in accepted.values()}
            unknown = client.get("/api/jobs/0123456789abcdef").status_code
        rows, ends = _told(server)
    files = folder / "home"
    held = 0
    for key, job in accepted.items():
        bits = [publish.sha256(files / path) == sha256 for path, sha256 in _files(files, job)]
        parked = found[job]["state"] == "failed" and "ended its worker" in found[job]["sentence"]
        good = (found[job]["state"] == "done" and bits and all(bits)) or parked
        if good and ends[job] == 1:
            held += 1
        else:
            broken.append(f"{key}: {found[job]['state']} {found[job]['sentence']}, ended {ends[job]} times, {bits}")
    if len(rows) != count or len(set(accepted.values())) != count or unknown != 404:
        broken.append(f"{count} keys have {len(set(accepted.values()))} ids and {len(rows)} rows; no job is {unknown}")
        held = min(held, count - 1)
    return Report(
        name="an accepted job is never lost",
        promise="Every job that was accepted ends once, whatever is killed; a key that is sent again is the same job",
        row=21,
        tried=count,
        held=held,
        window="worker or server killed while a job ran",
        hits=hits,
        least_hits=max(1, count // 10),
        control="a queue without fences: a worker that was taken for dead ends its job a second time",
        control_tried=count,
        control_broke=sum(_twice(folder / "control", number) for number in range(min(count, 20))),
        broken=tuple(broken),
        figures={"keys sent twice": len(sent) - count, "servers": server.starts},
    )


def _submit(server: Killable, model: str, keys: list[str], accepted: dict[str, str], broken: list[str]) -> None:
    """Submits under each key until it is accepted; one that was accepted before must be the same job."""
    for key in keys:
        body = {"kind": "generate", "request": {"model": model, "seed": int(key[4:]), "count": 4}}
        while True:
            try:
                headers = {**HEADERS, "idempotency-key": key}
                answer = httpx.post(f"{server.url}/api/jobs", json=body, headers=headers, timeout=30)
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code == 202:
                break
            time.sleep(0.3)  # too many wait
        job = answer.json()["id"]
        if accepted.setdefault(key, job) != job:
            broken.append(f"{key} was accepted as {accepted[key]} and as {job}")


def _rows(server: Killable, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(server.home / "studio.sqlite", timeout=30)) as base:
        return base.execute(query).fetchall()


def _running(server: Killable) -> bool:
    return bool(_rows(server, "SELECT id FROM jobs WHERE state = 'running'"))


def _waiting(server: Killable) -> bool:
    return bool(_rows(server, "SELECT id FROM jobs WHERE state IN ('queued', 'running')"))


def _told(server: Killable) -> tuple[list[tuple[Any, ...]], Counter[str]]:
    ends = Counter(row[0] for row in _rows(server, "SELECT job FROM events WHERE name = 'end'"))
    return _rows(server, "SELECT id FROM jobs"), ends


def _files(home: Path, job: str) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(home / "studio.sqlite")) as base:
        rows = base.execute("SELECT path, about FROM files WHERE job = ?", (job,)).fetchall()
    return [(path, json.loads(about)["sha256"]) for path, about in rows]


def _twice(folder: Path, number: int) -> bool:
    """Whether a job ends twice where whoever says that it is over is believed."""

    class Unfenced(Queue):
        def finish(self, job: Job, state: str, *_: Any, **__: Any) -> bool:
            with self._writing() as base:
                base.execute("UPDATE jobs SET state = ? WHERE id = ?", (state, job.id))
            return True

    folder.mkdir(parents=True, exist_ok=True)
    queue = Unfenced(folder / f"{number}.sqlite")
    queue.submit("look", {})
    first = queue.claim("one")
    queue.lost("one")
    second = queue.claim("two")
    assert first is not None and second is not None
    ends = queue.finish(second, "done") + queue.finish(first, "failed")
    queue.close()
    return ends > 1


# ---------------------------------------------------------------- cancelled is stopped


def cancels(count: int, folder: Path, seed: int) -> Report:
    """Row 22: cancelled while it waits, at any moment of its run, and in the midst of one long step."""
    from serving import place_of, served

    folder.mkdir(parents=True)
    generator, broken, took, hits = random.Random(seed), [], [], 0
    place, clip = place_of(folder / "home", (tiny(folder),)), _long_clip(folder)
    with served(place) as studio:
        model, upload = given_model(studio.client), studio.upload(clip)["id"]
        kept = studio.done("generate", {"model": model, "frames": 4})
        for number in range(count):
            long = number % 4 == 0
            kind = ("measure", {"uploads": [upload]}) if long else ("generate", {"model": model, "count": 16})
            job = studio.job(*kind)["id"]
            waits = generator.choice([0.0, 0.05, 0.3, 1.0, 2.0])
            if number % 2:  # the others may still wait
                _begun(studio, job)
                waits /= 4
            time.sleep(waits)
            state = studio.client.get(f"/api/jobs/{job}").json()["state"]
            began = time.monotonic()
            if number % 3:
                studio.client.post(f"/api/jobs/{job}/cancel")
            else:  # the page is closed before the answer comes
                with contextlib.suppress(httpx.TimeoutException):
                    httpx.post(f"{studio.url}/api/jobs/{job}/cancel", headers=_bearer(studio), timeout=0.01)
                _asked(studio, job)
            found = ended(studio.client, job, 30)
            seconds = time.monotonic() - began
            hits += state == "running"
            took.append(seconds)
            left = [path for path in place.home.job(job).rglob("*") if path.suffix == ".mp4"]
            if found["state"] == "done" and state != "queued":
                continue  # it had ended by itself before
            if found["state"] != "cancelled" or found["outputs"] or left or seconds > STOPS:
                said = f"{found['state']} after {seconds:.2f} s, {len(left)} left"
                broken.append(f"{kind[0]}, {state}, {waits} s: {said}")
        others = studio.client.get(kept["outputs"][0]["url"]).status_code
        naive = _without_end(studio, model, upload)
    if others != 200:
        broken.append("a cancelled job took another's output with it")
    return Report(
        name="cancel means stop",
        promise="A cancelled job has ended within 2 s, with no output and no half file, and no other job notices",
        row=22,
        tried=count,
        held=count - len(broken),
        window="cancelled while it ran",
        hits=hits,
        least_hits=count // 4,
        control="a cancel that waits for the next event of a long step",
        control_tried=1,
        control_broke=naive,
        broken=tuple(broken),
        figures={"seconds, 99 of 100": round(float(np.percentile(took, 99)), 2)},
    )


def _bearer(studio: Any) -> dict[str, str]:
    return {"authorization": studio.client.headers["authorization"]}


def _begun(studio: Any, job: str) -> None:
    """Waits until a job runs, or has ended."""
    until = time.monotonic() + 60
    while studio.client.get(f"/api/jobs/{job}").json()["state"] == "queued" and time.monotonic() < until:
        time.sleep(0.01)


def _asked(studio: Any, job: str) -> None:
    """Whoever closed the page may have done so before anything was sent: then it is asked for again."""
    time.sleep(0.05)
    found = studio.client.get(f"/api/jobs/{job}").json()
    if found["state"] in ("queued", "running") and not found["cancelling"]:
        studio.client.post(f"/api/jobs/{job}/cancel")


def _without_end(studio: Any, model: str, upload: str) -> int:
    """Whether a job is still there after 2 s where nobody ends its worker."""
    before, supervisor.GRACE = supervisor.GRACE, 1e9
    try:
        job = studio.job("measure", {"uploads": [upload]})["id"]
        while studio.client.get(f"/api/jobs/{job}").json()["state"] == "queued":
            time.sleep(0.05)
        time.sleep(0.5)
        return int(studio.client.post(f"/api/jobs/{job}/cancel").json()["state"] == "running")
    finally:
        supervisor.GRACE = before


def _long_clip(folder: Path) -> Path:
    """A clip whose measures are one step of many seconds."""
    from framefall.data.media.writer import write

    noise = np.random.default_rng(0).integers(0, 255, (40, 160, 240, 3), dtype=np.uint8)
    frames = np.concatenate([np.roll(noise, 3 * number, axis=2) for number in range(6)])
    write(folder / "long.mp4", [frames], 24.0)
    return folder / "long.mp4"


# ---------------------------------------------------------------- well for days


def soak(count: int, folder: Path, seed: int) -> Report:
    """Row 30: many small jobs, some that fail and some that are cancelled; nothing grows."""
    generator, submits, memory, opened = random.Random(seed), [], [], []
    with killable(folder) as server, httpx.Client(base_url=server.url, headers=HEADERS, timeout=60) as client:
        model = given_model(client)
        assert server.process is not None
        before = 0
        for number in range(count):
            until = generator.choice(["base", "base", "base", "nothing"])
            body = {"kind": "generate", "request": {"model": model, "frames": 2, "seed": number, "until": until}}
            began = time.monotonic()
            job = client.post("/api/jobs", json=body).json()["id"]
            submits.append(time.monotonic() - began)
            if generator.random() < 0.2:
                client.post(f"/api/jobs/{job}/cancel")
            found = ended(client, job)
            assert found["state"] in ("done", "failed", "cancelled")
            if generator.random() < 0.5:
                client.delete(f"/api/jobs/{job}")
            worker = server.worker()
            if worker is not None:
                with contextlib.suppress(OSError):
                    memory.append(rss(server.process.pid) + rss(worker))
                    opened.append(descriptors(server.process.pid) + descriptors(worker))
            if number == count // 4:
                before = len(list(Path(tempfile.gettempdir()).iterdir()))
        after = len(list(Path(tempfile.gettempdir()).iterdir()))
        log = server.home / "worker.log"
        rotated = not log.exists() or log.stat().st_size <= 1 << 20
    half = memory[len(memory) // 4 :]  # the first quarter loads what the others use
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) * 100 / (1 << 20) if len(half) > 8 else 0.0
    grown = max(opened[len(opened) // 4 :]) - min(opened[len(opened) // 4 :])
    late = float(np.percentile(submits, 95))
    checks = {
        "memory grows by at most 1 MiB in 100 jobs": slope <= 1.0 or len(half) < 200,
        "open files stay": grown <= 8,
        "temporary files stay": after - before <= 8,
        "95 of 100 submits take at most 100 ms": late <= 0.1 or count < 200,
        "the log is bounded": rotated,
    }
    leak = [bytearray(1 << 17) for _ in range(200)]  # control: 128 KiB kept for every job
    kept = np.cumsum([len(one) for one in leak])
    return Report(
        name="it stays well for days",
        promise="After thousands of jobs, done, failed and cancelled, the studio needs no more than after the first",
        row=30,
        tried=len(checks),
        held=sum(checks.values()),
        control="a server that keeps 128 KiB of every job",
        control_tried=1,
        control_broke=int(float(np.polyfit(np.arange(200), kept, 1)[0]) * 100 / (1 << 20) > 1.0),
        broken=tuple(name for name, held in checks.items() if not held),
        figures={
            "jobs": count,
            "MiB a hundred jobs": round(slope, 2),
            "submit, 95 of 100, ms": round(1000 * late, 1),
            "open files, most - least": grown,
        },
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 40, Path(base))
    for one in found:
        print(json.dumps(one.json(), indent=1))
    sys.exit(0 if all(one.passed for one in found) else 1)

"""The studio's doors: the API keeps to its schema, and no other page gets through.

    python tests/batteries/studio_guard.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

Schemathesis makes COUNT requests and more out of the API's own schema, right and wrong ones; every route is asked in
every foreign way.
"""

import asyncio
import io
import json
import socket
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import schemathesis
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image
from report import Report
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from studios import given_model, tiny

from framefall.studio.security import PUBLIC, Rules


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """Both promises, of one server."""
    from serving import place_of, served

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root" / "inner").mkdir(parents=True)
    with served(place_of(folder / "home", (tiny(folder),), (folder / "root",))) as studio:
        return [
            schema(studio, count, seed),
            pages(studio),
        ]


# ---------------------------------------------------------------- the schema


def schema(studio: Any, count: int, seed: int) -> Report:
    """Row 24: what Schemathesis makes of the API's own schema, right and wrong, alone and one after the other."""
    spec = _with_examples(studio.client.get("/api/openapi.json").json(), _made(studio, 3 if count >= 1000 else 1))
    over = threading.Event()
    quiet = threading.Thread(target=_cancelling, args=(studio, over))
    quiet.start()
    try:
        found = asked(spec, studio.url, _token(studio), count, seed)
    finally:
        over.set()
        quiet.join()
    jobs = {"/api/jobs": {"post": spec["paths"]["/api/jobs"]["post"]}}
    with naively() as url:
        naive = asked(spec | {"paths": jobs}, url, _token(studio), min(count, 10), seed)
    broken = [*found.faults, *([] if found.requests >= count else [f"only {found.requests} of {count} requests"])]
    return Report(
        name="the API keeps to its schema",
        promise="No request gets a 5xx, an answer that the schema does not have, or anything without the token",
        row=24,
        tried=found.requests,
        held=max(0, found.requests - len(broken)),
        window="accepted, so that something was done",
        hits=sum(number for status, number in found.statuses.items() if 200 <= status < 300),
        least_hits=count // 50,
        control="a handler that takes what comes",
        control_tried=naive.requests,
        control_broke=min(naive.requests, len(naive.faults)),
        broken=tuple(broken[:20]),
        figures={
            "answers": dict(sorted(found.statuses.items())),
            "by phase": dict(found.phases),
            "operations": sum(map(len, spec["paths"].values())),
            "checks": len(CHECKS.get_all_names()),
        },
    )


@dataclass
class Asked:
    """What Schemathesis sent, and what it found fault with."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def asked(spec: dict[str, Any], url: str, token: str, count: int, seed: int) -> Asked:
    """All its phases and checks: each corner of the schema, `count` requests of chance, and chains of requests."""
    settings = {
        "seed": seed,
        "base-url": url,
        "auth": {"openapi": {"token": {"bearer": token}}},
        "request-timeout": 60,
        "continue-on-failure": True,
        "generation": {
            "mode": "all",
            "max-examples": max(1, count // sum(map(len, spec["paths"].values()))),
            "database": "none",
            "no-shrink": True,
        },
        "phases": {"coverage": {"enabled": count >= 1000}},  # a thousand requests, whatever the count
        # what a schema cannot say (frames or seconds, stages that the model has) is refused too, by a sentence
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 404, 409, 413, 416, 422, 429]}},
    }
    found = Asked()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = schemathesis.openapi.from_dict(spec, config=SchemathesisConfig.from_dict(settings))
        for event in from_schema(loaded).execute():
            if isinstance(event, events.ScenarioFinished):
                _noted(event, found)
            elif isinstance(event, events.NonFatalError | events.FatalError):
                found.faults.append(repr(getattr(event, "value", None) or getattr(event, "exception", event))[:300])
    return found


def _noted(event: Any, found: Asked) -> None:
    """The requests of a scenario, and which checks they failed."""
    recorder = event.recorder
    for one in recorder.interactions.values():
        found.requests += 1
        found.phases[event.phase.value] += 1
        if one.response is not None:
            found.statuses[one.response.status_code] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                said = f"{recorder.label}: {check.name}: {check.failure_info.failure.message}"
                found.faults.append(" ".join(f"{said} {check.failure_info.code_sample}".split())[:600])


def _made(studio: Any, clips: int) -> dict[str, list[str]]:
    """Things that are there, by the rooms of the API: ids that requests may name."""
    upload = studio.client.post("/api/uploads", files={"file": ("a.png", _picture())}).json()["id"]
    model = given_model(studio.client)
    jobs = [
        studio.done("generate", {"model": model, "frames": 2, "until": "base", "seed": one}) for one in range(clips)
    ]
    roots = [one["id"] for one in studio.client.get("/api/roots").json()]
    files = [file["id"] for job in jobs for file in job["outputs"]]
    return {
        "jobs": [job["id"] for job in jobs],
        "folders": roots,
        "files": files,
        "models": [model],
        "uploads": [upload],
    }


def _with_examples(spec: dict[str, Any], made: dict[str, list[str]]) -> dict[str, Any]:
    """The schema with examples of ids that are there, which Schemathesis sends among its own."""
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            for one in operation.get("parameters", []):
                if one["in"] == "path":
                    one["schema"]["examples"] = made[path.split("/")[2]]
    fields = {"model": "models", "folder": "folders", "upload": "uploads", "resume": "jobs"}
    for part in spec["components"]["schemas"].values():
        for name, value in part.get("properties", {}).items():
            if name in fields:
                value["examples"] = made[fields[name]]
    return spec


def _cancelling(studio: Any, over: threading.Event) -> None:
    """Cancels whatever was accepted, so that the queue has room: what is tried is the API and not the model."""
    with httpx.Client(base_url=studio.url, headers={"authorization": f"Bearer {_token(studio)}"}, timeout=60) as client:
        while not over.wait(0.5):
            for job in client.get("/api/jobs", params={"most": 200}).json()["jobs"]:
                if job["state"] in ("queued", "running"):
                    client.post(f"/api/jobs/{job['id']}/cancel")


@contextmanager
def naively() -> Iterator[str]:
    """The address of a server whose one handler does what comes to mind first."""
    app = FastAPI()

    @app.post("/api/jobs", status_code=202)
    async def submit(request: Request) -> dict[str, Any]:
        body = await request.json()
        frames = int(float(body["request"]["seconds"]) * 24)
        return {"id": f"{frames:x}", "kind": body["kind"]}

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _token(studio: Any) -> str:
    """Its token."""
    return str(studio.client.headers["authorization"]).removeprefix("Bearer ")


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


# ---------------------------------------------------------------- other pages


def pages(studio: Any) -> Report:
    """Row 25: every route, asked in every way that another page or another name can."""
    import test_security as matrix
    from serving import routes

    before, broken, tried = matrix.state(studio), list[str](), 0
    naive = Naive(token=_token(studio))
    let_in = 0
    port = studio.client.base_url.port
    with httpx.Client(base_url=studio.url) as client:
        for method, path in [*routes(studio.app), ("POST", "/api/a-route-of-tomorrow")]:
            for what, (changes, status) in matrix.FOREIGN.items():
                if status == 401 and method in ("GET", "HEAD") and PUBLIC.fullmatch(path):
                    continue
                good = {**matrix.BEARER, "host": f"127.0.0.1:{port}"}
                all_ = {**good, **changes}
                headers = {name: value.format(port=port) for name, value in all_.items() if value is not None}
                answer = client.request(method, path, headers=headers)
                tried += 1
                let_in += naive.refusal(method, path, httpx_headers(headers)) is None
                if answer.status_code != status:
                    broken.append(f"{method} {path}, {what}: {answer.status_code}")
    if matrix.state(studio) != before:
        broken.append("something was changed in database or files")
    return Report(
        name="no other page drives the studio",
        promise="Every route refuses other hosts, other pages and whoever has no token, and nothing changes",
        row=25,
        tried=tried,
        held=tried - len(broken),
        control="a server that looks at the token alone",
        control_tried=tried,
        control_broke=let_in,
        broken=tuple(broken[:20]),
    )


class Naive(Rules):
    """Looks at the token alone."""

    def refusal(self, method: str, path: str, headers: Any) -> Any:
        """None where the token is right."""
        return None if self.is_token(headers.get("authorization", "").removeprefix("Bearer ")) else "refused"


def httpx_headers(headers: dict[str, str]) -> Any:
    """As the middleware has them."""
    from starlette.datastructures import Headers

    return Headers(headers)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(base) / "guard")
    for one in found:
        print(json.dumps(one.json(), indent=1))
    sys.exit(0 if all(one.passed for one in found) else 1)

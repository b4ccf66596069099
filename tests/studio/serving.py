"""A studio that is really served, in this process or in one of its own, and what asks it."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from framefall.studio.app import create_app
from framefall.studio.files import Roots
from framefall.studio.home import Home
from framefall.studio.place import Place
from framefall.studio.security import rules

TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True)
class Served:
    """A server and its home."""

    url: str
    place: Place
    client: httpx.Client
    app: Any = None

    def job(self, kind: str, request: dict[str, Any], **headers: str) -> dict[str, Any]:
        """A job that was accepted."""
        answer = self.client.post("/api/jobs", json={"kind": kind, "request": request}, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def ended(self, job: str, within: float = 90.0) -> dict[str, Any]:
        """The job when it has ended."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            found = self.client.get(f"/api/jobs/{job}").json()
            if found["state"] not in ("queued", "running"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"job {job} has not ended after {within} s: {found}")

    def done(self, kind: str, request: dict[str, Any], within: float = 90.0) -> dict[str, Any]:
        """A job that was done."""
        found = self.ended(self.job(kind, request)["id"], within)
        assert found["state"] == "done", found["sentence"]
        return found

    def upload(self, path: Path, name: str | None = None) -> dict[str, Any]:
        """An uploaded file."""
        with path.open("rb") as file:
            answer = self.client.post("/api/uploads", files={"file": (name or path.name, file)})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def events(self, job: str, after: int = 0) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Number, name and data of each event, as they come."""
        headers = {"last-event-id": str(after)} if after else {}
        with self.client.stream("GET", f"/api/jobs/{job}/events", headers=headers, timeout=60) as answer:
            assert answer.status_code == 200
            found: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    key, _, value = line.partition(": ")
                    found[key] = value
                elif "data" in found:
                    yield int(found["id"]), found["event"], json.loads(found["data"])
                    found = {}


def place_of(path: Path, models: tuple[Path, ...] = (), roots: tuple[Path, ...] = ()) -> Place:
    """A place with a home of its own."""
    home = Home(path)
    home.prepare()
    return Place(home=home, roots=Roots(home, tuple(root.resolve() for root in roots)), models=models, device="cpu")


@contextmanager
def served(place: Place) -> Iterator[Served]:
    """A server in a thread of this process, until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = create_app(place, rules("127.0.0.1", port, TOKEN))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
            yield Served(url, place, client, app)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def routes(router: Any) -> Iterator[tuple[str, str]]:
    """Method and path of every route that the server has, with something in the place of its names."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router)
            continue
        for method in sorted(route.methods):
            yield method, re.sub(r"\{[^}]*\}", "0123456789abcdef", route.path)

"""What batteries of the studio need: a model that is ready in a moment, and servers that can be killed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from framefall.cascade.about.card import StageCard
from framefall.cascade.cascade import CascadeConfig
from framefall.cascade.saved.checkpoint import with_stage
from framefall.recipes.registry import RECIPES
from framefall.train.loop import initial

TOKEN = "a-token-of-the-batteries"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
for _folder in (Path(__file__).parents[1], Path(__file__).parents[1] / "studio"):  # what the studio's tests share
    sys.path.append(str(_folder))


def tiny(folder: Path) -> Path:
    """A model of one stage that was never trained: its clips take a tenth of a second."""
    part = RECIPES["micro"]().stages["base"]
    config = CascadeConfig(name="tiny", stages={"base": part.stage})
    import torch  # not before framefall: it says how torch's threads wait

    stage = initial("base", part, 0, torch.device("cpu"))
    with_stage(folder / "tiny", "base", stage, config, torch.float32, StageCard())
    return folder / "tiny"


@dataclass
class Killable:
    """A server in a process of its own, started anew whenever it was killed."""

    folder: Path
    model: Path
    roots: tuple[Path, ...] = ()
    process: subprocess.Popen[str] | None = None
    url: str = ""
    starts: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Its home."""
        return self.folder / "home"

    def start(self) -> None:
        """Starts it, on the port that it had."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-c", "from framefall.cli import main; main()", "studio", "--no-open"]
        command += ["--port", port, "--home", str(self.home), "--model", str(self.model), "--device", "cpu"]
        command += [word for root in self.roots for word in ("--root", str(root))]
        environment = os.environ | {"FRAMEFALL_STUDIO_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"} | self.environment
        with (self.folder / "stderr").open("a+") as said:
            said.truncate(0)
            self.process = subprocess.Popen(command, stderr=said, text=True, env=environment)
        self.starts += 1
        until = time.monotonic() + 120
        while not (found := re.search(r"(http://localhost:\d+)/", (self.folder / "stderr").read_text())):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no server: {(self.folder / 'stderr').read_text()[-2000:]}")
            time.sleep(0.05)
        self.url = found[1].replace("localhost", "127.0.0.1")

    def kill(self) -> None:
        """kill -9 of the server."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def worker(self) -> int | None:
        """The number of its worker's process."""
        assert self.process is not None
        return worker_of(self.process.pid)

    def kill_worker(self) -> bool:
        """kill -9 of the worker."""
        worker = self.worker()
        if worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return worker is not None

    def close(self) -> None:
        """Stops it as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def killable(folder: Path, roots: tuple[Path, ...] = ()) -> Iterator[Killable]:
    """A server with the tiny model, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Killable(folder, tiny(folder), roots)
    found.start()
    try:
        yield found
    finally:
        found.close()


def given_model(client: httpx.Client) -> str:
    """The id of the tiny model."""
    models = client.get("/api/models", timeout=120).json()
    return str(next(one["id"] for one in models if one["origin"] == "given"))


def worker_of(server: int) -> int | None:
    """The worker of a server's process: it reads from one of the server's pipes. One that was forked has its words."""
    with contextlib.suppress(OSError):
        files = {os.readlink(one) for one in Path(f"/proc/{server}/fd").iterdir() if one.name != "0"}
        pipes = {one for one in files if one.startswith("pipe:")}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes()
                is_worker = b"studio.worker" in words or b"forkserver" in words
                if is_worker and os.readlink(process / "fd" / "0") in pipes:
                    return int(process.name)
    return None


def rss(process: int) -> int:
    """Bytes in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(process: int) -> int:
    """Open files."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def ended(client: httpx.Client, job: str, within: float = 120.0) -> dict[str, Any]:
    """A job when it has ended, or as it stands when it should have."""
    until = time.monotonic() + within
    while True:
        found = client.get(f"/api/jobs/{job}").json()
        if found["state"] not in ("queued", "running") or time.monotonic() > until:
            return dict(found)
        time.sleep(0.05)

"""A real browser before a real studio: Debian's Chromium, driven by Playwright, and `framefall studio` as a process.

Tests that need the browser are skipped where there is none; `make test-browser` runs all of them.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
TOKEN = "a-token-of-the-browser-tests"
PATIENCE = 60.0  # seconds for the server to answer: it shares the cores with other tests


@dataclass
class Server:
    """A studio, and the arguments that start it again on the same home."""

    arguments: list[str]
    home: Path
    url: str = ""
    token: str = TOKEN
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        code = "from framefall.cli import main; main()"
        options = ["--no-open", "--port", str(port), "--home", str(self.home), "--token", TOKEN]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "studio", *options, *self.arguments],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(self.url, timeout=5).read()
                return
            time.sleep(0.05)
        raise AssertionError("the studio did not answer")

    def stop(self) -> None:
        """Ends it as Ctrl-C does."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def browser_there() -> None:
    """Skips where there is none."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install framefall[browser]")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")  # not longer: its event loop runs as long as it does, and others want their own
def chromium(browser_there: None, request: pytest.FixtureRequest) -> Iterator["Browser"]:
    """The browser, with what the module's `MORE_FLAGS` say."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        flags = [*FLAGS, *getattr(request.module, "MORE_FLAGS", ())]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def disc() -> Callable[[Path, range], None]:
    """`disc(path, range(8, 14))`: a clip of a disc that crosses the picture, and waits in the frames named."""
    from framefall.data.media.writer import write

    def make(path: Path, still: range) -> None:
        rows, columns = np.mgrid[:64, :64]
        frames, x = [], 10.0
        for index in range(24):
            x += 0 if index in still else 2
            frame = np.full((64, 64, 3), 200, np.uint8)
            frame[(rows - 32) ** 2 + (columns - x) ** 2 < 49] = (200, 40, 40)
            frames.append(frame)
        write(path, [np.stack(frames)], 12.0)

    return make


@pytest.fixture(scope="session")
def studio(
    browser_there: None, trained: Path, real: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A studio with the shipped models, a toy of three stages, and a folder with one good and one broken clip."""
    base = tmp_path_factory.mktemp("studio")
    footage = base / "footage"
    footage.mkdir()
    shutil.copy(real / "bikes.mp4", footage)
    (footage / "broken.mp4").write_text("no video")
    server = Server(["--model", str(trained), "--root", str(footage), "--device", "cpu"], base / "home")
    server.start()
    yield server
    server.stop()


@dataclass
class Heard:
    """What a page has said on its console and asked of the network."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)  # addresses


@pytest.fixture
def heard() -> Heard:
    """What all pages of a test have said."""
    return Heard()


@pytest.fixture
def open_page(chromium: "Browser", studio: Server, heard: Heard) -> Iterator[Callable[..., "Page"]]:
    """`open_page("#/compare", width=360, color_scheme="dark")`: a page; what it complains of fails the test."""
    contexts = []

    def make(path: str = "", *, width: int = 1280, height: int = 900, **options: Any) -> "Page":
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console",
            lambda said: (
                heard.errors.append(f"{said.text} {said.location}") if said.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: heard.errors.append(str(error)))
        page.on("request", lambda request: heard.requests.append(request.url))
        page.goto(f"{studio.url}?token={TOKEN}{path}")  # the server takes the token out of the address
        page.wait_for_selector("main h1")
        page.wait_for_selector("main p:text('Loading')", state="detached")
        return page

    yield make
    for context in contexts:
        context.close()
    assert heard.errors == []

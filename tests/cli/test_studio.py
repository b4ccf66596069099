"""`framefall studio`: served as a process of its own, used by the example and by curl's way of asking."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from forked import forking
from studios import worker_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "studio_client.py"


@pytest.fixture
def forked_deep() -> Iterator[None]:
    """Interpreters that this test starts, and those that they start, are forked."""
    with forking(deep=True):
        yield


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("forked_deep")
def test_a_client_of_twenty_lines_makes_a_clip(tmp_path: Path, trained: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from framefall.cli import main; main()",
        "studio",
        "--no-open",
        "--port",
        "0",
        "--device",
        "cpu",
        "--json",
    ]
    command += ["--home", str(tmp_path / "home"), "--model", str(trained)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None and server.stderr is not None
    try:
        found = re.search(r"(http://localhost:\d+)/\?token=(\S+)", server.stderr.readline())
        assert found is not None
        url, token = found.groups()
        models = httpx.get(f"{url}/api/models", headers={"authorization": f"Bearer {token}"}, timeout=60).json()
        model = next(one["id"] for one in models if one["origin"] == "given")
        example = [sys.executable, str(EXAMPLE), url, "a man talks", "clip.mp4", model]
        said = subprocess.run(
            example, cwd=tmp_path, env={**os.environ, "FRAMEFALL_STUDIO_TOKEN": token}, capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr
        assert (tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp" and "spatial_sr" in said.stdout
        code = [line for line in EXAMPLE.read_text().splitlines() if line.strip() and not line.startswith(('"""', "#"))]
        assert len(code) <= 24
        worker = worker_of(server.pid)
        assert worker is not None
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) in (0, 130)
        told = json.load(server.stdout)
        server.stdout.close()
        server.stderr.close()
    assert told["address"].startswith(f"{url}/?token=")
    assert not Path(f"/proc/{worker}").exists()  # it has died with its server


def test_others_are_not_served_by_mistake(framefall: Callable, tmp_path: Path) -> None:
    said = framefall("studio", "--host", "0.0.0.0", "--no-open", "--home", tmp_path)
    assert said.code == 1 and said.err.startswith("framefall: a studio that others can reach needs a token of your own")


def test_help_says_how_to_open_it_and_loads_no_server(framefall: Callable) -> None:
    said = framefall("studio", "--help")
    assert said.code == 0 and "framefall studio --root my_clips" in said.out
    probe = "import sys; import framefall.cli; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0


def test_the_readme_shows_it_and_the_demo_says_how_to_open_it() -> None:
    root = EXAMPLE.parents[1]
    section = (root / "README.md").read_text().partition("## The studio and the lesson")[2].partition("\n## ")[0]
    assert re.findall(r"!\[.*?\]\((.*?)\)", section) == ["docs/studio.webp"] and "`framefall studio` opens" in section
    demo = subprocess.run(["make", "-n", "demo"], cwd=root, capture_output=True, text=True).stdout
    assert re.search(r"^echo .*framefall studio", demo, re.MULTILINE)

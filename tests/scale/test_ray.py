"""Ray at the full count: 200 clips prepared and generated, ten workers killed, a node taken away."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import examples

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BATTERY = Path(__file__).parents[1] / "batteries" / "ray_kills.py"


def test_killed_workers_and_a_lost_node_lose_and_double_nothing() -> None:
    """A program of its own: Ray's workers look for what its control does in `__main__`, and do not know the tests."""
    pytest.importorskip("ray", reason="the extra framefall[ray]")
    words = [sys.executable, str(BATTERY), str(examples(12, 200))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_can_be_followed(
    clips: Path, trained: Path, tmp_path: Path, framefall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command starts a Ray of its own, as a user's does, and what was made without Ray is found and kept."""
    pytest.importorskip("ray", reason="the extra framefall[ray]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "my_clips").symlink_to(clips)
    (tmp_path / "my_model").symlink_to(trained)
    (tmp_path / "prompts.txt").write_text("a red ball falls\na cup turns\n")
    page = (Path(__file__).parents[2] / "docs" / "ray.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    ran = {}
    for line in "".join(blocks).splitlines():
        if line.startswith("framefall "):
            said = framefall(*shlex.split(line)[1:])
            assert said.code == 0, (line, said.err)
            ran[line] = said.err
    assert len(ran) == 5
    again = next(err for line, err in ran.items() if "--seed 0" in line)
    assert again.count("it is there, made as it is asked for") == 2
    assert {"out-000.mp4", "out-001.mp4", "out.jsonl"} == {path.name for path in (tmp_path / "best").iterdir()}

"""What is forked instead of started is to its parent what an interpreter of its own would be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked import forking

SAYS = """
import os, sys
leads, imported = os.getsid(0) == os.getpid(), "torch" in sys.modules
print(sys.stdin.read(), sys.argv[1:], os.getcwd(), os.environ["WHO"], imported, leads)
print("aside", file=sys.stderr)
sys.exit(3)
"""


def said(tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Of a process with streams, words, a folder, an environment and a session of its own."""
    return subprocess.run(
        [sys.executable, "-c", SAYS, "a", "b c"],
        input="hello",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "WHO": "me", **environment},
        start_new_session=True,
    )


def test_streams_words_folder_environment_session_and_exit_code_are_its_own(tmp_path: Path) -> None:
    with forking():
        forked, otherwise = said(tmp_path), said(tmp_path, OMP_NUM_THREADS="7")
    started = said(tmp_path)
    for found, has_imported in ((forked, True), (started, False), (otherwise, False)):  # torch would have read the last
        assert found.stdout == f"hello ['a', 'b c'] {tmp_path} me {has_imported} True\n"
        assert found.stderr == "aside\n" and found.returncode == 3
    assert "WHO" not in os.environ


STARTS = """
import os, subprocess, sys
code = "import os, sys; print('torch' in sys.modules, os.getppid())"
done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
imported, parent = done.stdout.split()
print(imported, int(parent) == os.getppid())
"""


def test_what_it_starts_itself_is_forked_where_that_is_asked_for() -> None:
    found = []
    for deep in (True, False):
        with forking(deep):
            found.append(subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True).stdout)
    assert found == ["True True\n", "False False\n"]  # by the process that has forked the one that starts it


def test_what_it_does_not_catch_is_told_and_ends_it(forked: None) -> None:
    done = subprocess.run([sys.executable, "-c", "raise ValueError('no')"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "ValueError: no"


def test_it_is_waited_for_and_killed_as_a_group(forked: None) -> None:
    code = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(100)"]
    living = subprocess.Popen(code, stdout=subprocess.PIPE, start_new_session=True)
    assert living.stdout is not None and living.stdout.readline() == b"1\n" and living.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        living.wait(0.05)
    os.killpg(living.pid, 9)
    assert living.wait() == living.poll() == -9
    living.stdout.close()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(code, timeout=0.05, stdout=subprocess.DEVNULL)

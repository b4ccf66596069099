"""A process in the sandbox reads what it was handed and its own libraries, and does nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from framefall.data.media import sandbox

TRIES = """
import json, os, socket, sys
from framefall.data.media import sandbox
given = os.open(sys.argv[1], os.O_RDONLY)
on = sandbox.enter() if sys.argv[2] == "in" else {}
def lets(what):
    try:
        what()
        return True
    except Exception:
        return False
def write():
    with open(sys.argv[3], "w") as stream:
        stream.write("x")
def connect():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
tries = {
    "read": lambda: os.read(given, 4),
    "library": lambda: open(json.__file__).read(),
    "open": lambda: open(sys.argv[1]).read(),
    "system": lambda: open("/etc/passwd").read(),
    "list": lambda: os.listdir("/"),
    "write": write,
    "link": lambda: os.symlink("a", sys.argv[3] + "2"),
    "network": connect,
    "program": lambda: os.posix_spawn("/bin/true", ["true"], {}) and os.wait()[1] == 0 or 1 / 0,
    "signal": lambda: os.kill(os.getppid(), 0),
}
def program():
    child = os.fork()
    if not child:
        try:
            os.execv("/bin/true", ["true"])
        finally:
            os._exit(9)
    assert os.waitpid(child, 0)[1] == 0
tries["program"] = program
os.write(1, json.dumps([on, {name: lets(one) for name, one in tries.items()}]).encode())
"""


def tried(where: str, folder: Path) -> tuple[dict[str, bool], dict[str, bool]]:
    """What is on, and which of the tries went well."""
    (folder / "given").write_text("given")
    words = [sys.executable, "-c", TRIES, str(folder / "given"), where, str(folder / "new")]
    said = subprocess.run(words, capture_output=True, check=True, cwd=folder).stdout
    on, went = json.loads(said)
    return on, went


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox is Linux's")
def test_inside_only_what_was_handed_over_is_read(tmp_path: Path) -> None:
    on, inside = tried("in", tmp_path)
    _, outside = tried("out", tmp_path)
    assert all(outside.values()), outside  # the control: without it all of that goes
    assert inside["read"] and inside["library"]
    if on["no_files"]:
        assert not any(inside[name] for name in ("open", "system", "list", "write", "link"))
    if on["no_network_or_programs"]:
        assert not any(inside[name] for name in ("network", "program", "signal"))
    assert not inside["write"]


def test_what_is_on_is_said(tmp_path: Path) -> None:
    assert set(tried("in", tmp_path)[0]) == set(sandbox.PROTECTIONS)


def test_memory_and_time_end() -> None:
    memory = "from framefall.data.media import sandbox; sandbox.limit_memory(1 << 28); bytearray(1 << 29)"
    time = "from framefall.data.media import sandbox; sandbox.limit_time(0)\nwhile True: pass"
    for code in (memory, time):
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=dict(os.environ))
        assert child.returncode != 0

"""How threads wait is said before torch is loaded, wherever one comes in; torch's own library says what it took."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from framefall.threads import VARIABLES, wait_passively

ROOT = Path(__file__).parents[1]
OPENMP = Path(torch.__file__).parent / "lib" / "libgomp.so.1"  # all of torch is seconds to load
# what the environment says at the moment when torch is first asked for; it is not loaded
PROBE = """
import importlib.abc, json, os, runpy, sys

class Asked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("asked", json.dumps(os.environ.get("OMP_WAIT_POLICY")), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Asked())
"""
COMMAND = "from framefall.cli import main; sys.argv = ['framefall', 'verify', 'x']; main()"
ENTRIES = {
    "the command line": COMMAND,
    "a public name": "import framefall; framefall.generate",
    "a module": "from framefall.cascade import stage",
    "a contestant's process": "runpy.run_module('framefall.bench.speed.worker', run_name='__main__')",
    "a process that makes clips ahead": "from framefall.data.cached.ahead import serve; serve()",
    "a process that is busy": "runpy.run_module('framefall.bench.speed.busy', run_name='__main__')",
}
SCRIPTS = [path for folder in ("scripts", "tests/batteries") for path in sorted((ROOT / folder).glob("*.py"))]
ENTRIES |= {
    f"{path.parent.name}/{path.name}": f"runpy.run_path({str(path)!r})"
    for path in SCRIPTS
    if "\nimport torch\n" in path.read_text(encoding="utf-8")
}


def unsaid() -> dict[str, str]:
    """This environment, in which nobody has said how threads wait."""
    return {name: value for name, value in os.environ.items() if name not in VARIABLES}


def asked(*command: str, **said: str) -> str | None:
    """What `OMP_WAIT_POLICY` was when a command asked for torch."""
    done = subprocess.run(command, env=unsaid() | said, capture_output=True, text=True, timeout=120)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("asked ")]
    found: str | None = json.loads(line.removeprefix("asked "))
    return found


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_is_said_before_torch_is_loaded(entry: str) -> None:
    assert asked(sys.executable, "-c", PROBE + ENTRIES[entry]) == "PASSIVE"


@pytest.mark.slow  # torchrun itself is seconds of imports; what its ranks run is the command line
def test_it_is_said_on_every_rank_of_torchrun() -> None:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1", "--no-python")
    assert asked(*torchrun, sys.executable, "-c", PROBE + COMMAND) == "PASSIVE"


def test_an_entry_that_loads_torch_first_would_be_noticed() -> None:
    assert asked(sys.executable, "-c", PROBE + "import torch, framefall") is None


def test_what_the_user_has_said_stays() -> None:
    assert asked(sys.executable, "-c", PROBE + COMMAND, OMP_WAIT_POLICY="active") == "active"
    assert asked(sys.executable, "-c", PROBE + COMMAND, GOMP_SPINCOUNT="7") is None


@pytest.mark.parametrize("variable", VARIABLES)
def test_nothing_is_said_beside_a_users_own_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv(variable, "9")
    wait_passively()
    assert {name: os.environ.get(name) for name in VARIABLES} == {
        name: "9" if name == variable else None for name in VARIABLES
    }
    monkeypatch.delenv(variable)
    wait_passively()
    assert os.environ.pop("OMP_WAIT_POLICY") == "PASSIVE"


def test_with_torch_loaded_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert sys.modules["torch"] is torch
    wait_passively()
    assert not any(name in os.environ for name in VARIABLES)


@pytest.mark.skipif(not OPENMP.exists(), reason="torch brings GNU's OpenMP on Linux")
@pytest.mark.parametrize(
    ("code", "looks"), [("from framefall.threads import wait_passively; wait_passively()", "0"), ("pass", "300000")]
)
def test_torchs_library_takes_it(code: str, looks: str) -> None:
    """How often it looks before a thread sleeps; the second is the control, and what `bench generate` calls active."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}; import ctypes; ctypes.CDLL({str(OPENMP)!r})"],
        env=unsaid() | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"GOMP_SPINCOUNT = '{looks}'" in said.stderr

"""Processes that keep cores busy: they work, and end whatever becomes of who started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forked import forking

from framefall.bench.speed.busy import busy_cores

linux = pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked at in /proc")
PARENT = """
import sys, time
from framefall.bench.speed.busy import busy_cores
with busy_cores(1) as workers:
    print(*workers, flush=True)
    time.sleep(100)
"""


def alive(pid: int) -> bool:
    """Whether the process still runs; one that has ended and is not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def soon(what: Callable[[], bool]) -> bool:
    """Whether it becomes true within ten seconds."""
    end = time.monotonic() + 10
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return what()


@linux
@pytest.mark.usefixtures("forked")
def test_a_worker_works_while_the_block_runs_and_ends_with_it() -> None:
    with busy_cores(1) as (worker,):
        before = cpu_seconds(worker)
        assert soon(lambda: cpu_seconds(worker) > before + 0.1)
    assert not alive(worker)


@linux
@pytest.mark.usefixtures("forked")
def test_workers_end_when_the_block_fails() -> None:
    workers: list[int] = []
    with pytest.raises(ValueError, match="no clip"), busy_cores(1) as started:
        workers = started
        assert all(map(alive, workers))
        raise ValueError("no clip")
    assert workers and not any(map(alive, workers))


@pytest.fixture
def orphan() -> Iterator[int]:
    """The worker of a process that is killed outright while both live."""
    with forking(deep=True):
        parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.kill()
    parent.communicate()
    yield worker
    if alive(worker):
        os.kill(worker, signal.SIGKILL)


@linux
def test_a_worker_ends_when_who_started_it_is_killed(orphan: int) -> None:
    assert soon(lambda: not alive(orphan))


def test_no_busy_core_is_no_process() -> None:
    with busy_cores(0) as workers:
        assert workers == []

"""Ranks that die or freeze, as real processes over gloo; this file is also the program that each rank runs."""

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import children
import pytest
import torch

from framefall import heartbeat, ranks

SILENCE = 4.0  # seconds, where users have `heartbeat.LIMIT`


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def freeze(process: int) -> None:
    os.kill(process, signal.SIGSTOP)


# what happens to which of three ranks, and what is said of it
CASES: dict[str, tuple[Callable[[int], None] | None, int, str]] = {
    "killed": (kill, 1, "is dead"),
    "frozen": (freeze, 1, "has been silent for"),
    "first frozen": (freeze, 0, "serves the ranks' store, which does not answer"),
    "fails": (None, 2, "failed: clips must be there, found none"),
}


Job = tuple[Path, list[children.Child], float]  # its folder, its ranks, and when it was struck


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Job]]:
    """Two that are begun beside the cases, since most of their time is waited for."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("deaf", "well")}
    jobs = {name: children.ranks(Path(__file__), 2, folder, name, folder=folder) for name, folder in folders.items()}
    try:
        wait_for(lambda: len(list(folders["deaf"].glob("ready-*"))) == 2)
        freeze(int(jobs["deaf"][1].pid or 0))
        struck = time.monotonic()
        yield {name: (folder, jobs[name], struck) for name, folder in folders.items()}
    finally:
        for process in (one for started in jobs.values() for one in started):
            process.kill()


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, others: dict[str, Job]
) -> dict[str, tuple[list[int | None], list[str], float]]:
    """Of each case the exit codes, what the ranks said, and the seconds until all had ended."""
    folders = {name: tmp_path_factory.mktemp("case") for name in CASES}
    jobs = {name: children.ranks(Path(__file__), 3, folder, name, folder=folder) for name, folder in folders.items()}
    found = {}
    try:
        for name, (strike, rank, _) in CASES.items():
            wait_for(lambda folder=folders[name]: len(list(folder.glob("ready-*"))) == 3)
            if strike:
                strike(int(jobs[name][rank].pid or 0))
        began = time.monotonic()
        for name, started in jobs.items():
            for process in started:
                process.join(60)
            said = [(folders[name] / f"said-{rank}").read_text() for rank in range(3)]
            found[name] = [one.exitcode for one in started], said, time.monotonic() - began
    finally:
        for process in (one for started in jobs.values() for one in started):
            process.kill()
    for name, started in jobs.items():
        found[name][1].append(str(started[CASES[name][1]].pid))
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_rank_that_is_lost_ends_the_job_with_its_name_said_once(name: str, ended: dict) -> None:
    codes, (*said, process), seconds = ended[name]
    _, rank, why = CASES[name]
    sentences = [line for line in "\n".join(said).splitlines() if line.startswith("framefall: rank")]
    assert len(sentences) == 1
    assert f"rank {rank} ({platform.node()}, process {process}) {why}" in sentences[0] and "--resume" in sentences[0]
    left = [code for at, code in enumerate(codes) if at != rank]
    assert left == [1, 1] and codes[rank] in ((-signal.SIGKILL,) if name != "fails" else (1,))  # nobody is left behind
    assert seconds < SILENCE + 26  # of 30 seconds with LIMIT


def test_without_a_heartbeat_a_frozen_rank_is_waited_for(others: dict[str, Job]) -> None:
    """The control: the same job, where nobody listens."""
    _, (waits, _), struck = others["deaf"]
    waits.join(max(0.0, struck + 1.5 * SILENCE - time.monotonic()))
    assert waits.exitcode is None


def test_a_job_that_ends_well_says_nothing(others: dict[str, Job]) -> None:
    folder, started, _ = others["well"]
    for process in started:
        process.join(60)
    assert [one.exitcode for one in started] == [0, 0]
    assert [(folder / f"said-{rank}").read_text() for rank in range(2)] == ["", ""]


def wait_for(there: Callable[[], bool], seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def main() -> None:
    """What a training does: messages again and again, and one that is waited for."""
    folder, case = Path(sys.argv[1]), sys.argv[2]
    heartbeat.LIMIT = SILENCE
    me = int(os.environ["RANK"])
    sys.stderr = open(folder / f"said-{me}", "w")  # noqa: SIM115 (for as long as the process lives)
    if case == "deaf":
        heartbeat.Heartbeat.__init__ = lambda self, rank, world_size: None  # type: ignore[method-assign]
    with ranks.joined():
        ranks.barrier()
        (folder / f"ready-{me}").touch()
        for step in range(10**9):
            ranks.average_([torch.ones(3)])
            time.sleep(0.02)
            if case == "fails" and me == 2 and step > 50:
                raise ValueError("clips must be there, found none")
            if case == "well" and step > 20:
                break
    print(json.dumps("done"))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr, flush=True)
        sys.exit(1)

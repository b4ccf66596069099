"""The studio's queue against a model of it: clients, workers and servers in any order, and nothing is inconsistent.

    python tests/batteries/studio_queue.py [COUNT]      prints a JSON report; exit code 1 if it is broken

COUNT sequences of up to fifty acts, made up by Hypothesis (`tests/studio/test_queue.py` has the machine).
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from report import Report

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))
sys.path.insert(0, str(Path(__file__).parents[1]))

MEMORY = "/dev/shm"  # no disk is waited for: what is tried is the order of acts, and no loss of power


def run(count: int, folder: Path, seed: int = 0) -> Report:
    """Row 23."""
    from test_queue import Machine, Unfenced

    class Fenced(Machine):
        place = MEMORY if os.access(MEMORY, os.W_OK) else str(folder)

    class Naive(Fenced):
        open = Unfenced

    said = _fails(Fenced, count, seed)
    naive = _fails(Naive, max(count, 200), seed)
    return Report(
        name="the queue's states are consistent",
        promise="Whatever clients, workers and servers do in whatever order, a job is in one state and ends once",
        row=23,
        tried=count,
        held=count - bool(said),
        control="a queue without fences",
        control_tried=max(count, 200),
        control_broke=int(bool(naive)),  # the first that breaks ends it
        broken=(said,) if said else (),
    )


def _fails(machine: type, count: int, number: int) -> str:
    """What went wrong in one of so many sequences."""
    case = machine.TestCase  # type: ignore[attr-defined]
    case.settings = settings(
        max_examples=count,
        stateful_step_count=50,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(case("runTest").runTest.__func__)(case("runTest"))
    except Exception as error:  # whichever rule or invariant sees it
        return f"{type(error).__name__}: {error}"[:500]
    return ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(base))
    print(json.dumps(found.json(), indent=1))
    sys.exit(0 if found.passed else 1)

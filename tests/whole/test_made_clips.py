"""A small count of the battery of made clips. That memory is bounded takes minutes: in the full count alone."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import made_clips as battery

battery.WRITES = examples(4, battery.WRITES)
COUNTS = {battery.same_files: examples(1, 100), battery.remade: examples(2, 100)} | (
    {battery.bounded: 100} if examples(0, 1) else {}
)


@pytest.mark.parametrize("promise", list(COUNTS), ids=lambda one: one.__name__)
def test_the_promise_holds_and_its_control_breaks(
    promise: Callable, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not examples(0, 1):
        monkeypatch.setattr(battery, "MODEL", str(trained))  # the toy: any model's clips are made again
    report = promise(COUNTS[promise], tmp_path)
    assert report.passed, report.broken

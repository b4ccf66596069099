"""A small count of the battery of outputs: clips cut at any byte, and races for a name.

Saves that are struck at any call are in `test_publish.py`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import outputs as battery

COUNTS = {battery.cuts: examples(12, 120), battery.races: examples(2, 100)}


# `data/media/test_writer.py` kills one writer and leaves another's block by an error
CUTS = pytest.param(battery.cuts, marks=pytest.mark.slow)


@pytest.mark.parametrize("promise", [CUTS, battery.races], ids=lambda one: one.__name__)
def test_the_promise_holds_and_its_control_breaks(promise: Callable, tmp_path: Path) -> None:
    report = promise(COUNTS[promise], tmp_path)
    assert report.passed, report.broken

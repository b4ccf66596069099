"""A small count of the batteries of trainings: gone on with anywhere, not finite, a full disk, a loss of power.

Races for a model are in `tests/cases/test_trainings.py`, kills in `test_kills.py`.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import power
import trainings as battery

battery.STEPS = examples(10, battery.STEPS)  # of the run that is gone on with
COUNTS = {battery.resumes: examples(2, 540), battery.spoilt: examples(4, 120), battery.quotas: examples(2, 40)}


@pytest.fixture(autouse=True)
def as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The batteries are programs: they choose their cache and their threads for the whole process."""
    monkeypatch.setenv("FRAMEFALL_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


# in `make test`: going on in `train/test_resume.py`, steps that are not finite in `train/test_loop.py`, a full disk in
# `test_publish.py`
@pytest.mark.slow
@pytest.mark.parametrize("promise", list(COUNTS), ids=lambda one: one.__name__)
def test_the_promise_holds_and_its_control_breaks(promise: Callable, tmp_path: Path) -> None:
    source, recipe = battery._clips(tmp_path / "clips"), battery._toy()
    report = promise(COUNTS[promise], tmp_path / "work", source, recipe, 0)
    assert report.passed, report.broken


def test_a_loss_of_power_leaves_what_is_whole(tmp_path: Path) -> None:
    report = power.run(examples(8, 50), tmp_path)
    assert report.passed, report.broken

"""The batteries of hostile and fuzzed files hold at a small count, and their controls break."""

import shutil
from pathlib import Path

import fuzz
import pytest
from reliability import alone
from report import Report

from examples import examples


@pytest.mark.slow  # one by one, with the same controls, in `tests/cases/test_hostile_*.py`
@pytest.mark.timeout(600)
def test_hostile_files_are_refused_and_the_naive_readers_are_not(cache: Path, tmp_path: Path) -> None:
    if (cache / "kernels").exists():  # those that other tests had compiled
        shutil.copytree(cache / "kernels", tmp_path / "cache" / "kernels")
    _hold(alone("hostile", examples(5, 100), tmp_path))


@pytest.mark.timeout(600)
def test_whatever_the_bytes_are_the_answer_is_a_sentence(tmp_path: Path) -> None:
    _hold(fuzz.run(examples(30, 1000), tmp_path))


def _hold(found: list[Report]) -> None:
    for one in found:
        assert one.passed, one.json()

"""A small count of the battery of bits that flip on disk."""

import sys
from pathlib import Path

import pytest

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import bit_rot


@pytest.mark.slow  # bits are flipped in `test_publish.py`, checkpoints damaged in `train/test_resume.py`
def test_a_flipped_bit_is_refused_and_training_falls_back(tmp_path: Path) -> None:
    report = bit_rot.run(examples(10, 1000), tmp_path)
    assert report.passed, report.broken

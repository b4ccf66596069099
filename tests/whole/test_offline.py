"""One round of the battery of work without a network."""

import shutil
import sys
from pathlib import Path

import pytest

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import offline


@pytest.mark.skipif(sys.platform != "linux", reason="a network that leads nowhere is Linux's")
def test_nothing_connects_and_nothing_is_installed_and_the_controls_are_seen(
    trained: Path, cache: Path, tmp_path: Path
) -> None:
    if (cache / "kernels").exists():  # as the toy's training left them: a compiler takes longer than all else here
        shutil.copytree(cache / "kernels", tmp_path / "cache" / "kernels")
    report = offline.run(examples(1, 3), tmp_path)
    assert report.passed, report.broken

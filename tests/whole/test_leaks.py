"""A small count of the battery of leaks, in a process of its own."""

from pathlib import Path

from reliability import alone

from examples import examples


def test_nothing_leaks_and_the_control_does(tmp_path: Path) -> None:
    for report in alone("leaks", examples(20, 3000), tmp_path):
        assert report.passed, report.broken

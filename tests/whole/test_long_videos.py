"""A small count of the battery of long videos that are killed."""

import sys
from pathlib import Path

from examples import examples

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
import long_videos


def test_a_killed_video_goes_on_and_the_controls_do_not(tmp_path: Path) -> None:
    report = long_videos.run(examples(2, 50), tmp_path, seconds=examples(4, long_videos.SECONDS))
    assert report.passed, report.broken

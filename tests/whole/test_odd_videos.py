import importlib
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))
odd_videos = importlib.import_module("odd_videos")


def test_odd_and_valid_videos_come_out_right(tmp_path):
    report = odd_videos.run(len(odd_videos.VIDEOS), tmp_path)
    assert report.broken == () and report.held == report.tried >= 40
    assert report.control_broke >= 15  # the reader that everybody writes first
    assert report.passed and not replace(report, held=report.held - 1).passed


def test_the_battery_sees_what_is_wrong(tmp_path):
    expected = odd_videos.VIDEOS["size_47x33.mp4"](tmp_path / "a.mp4")
    assert not odd_videos._fault(tmp_path / "a.mp4", expected)
    for wrong in ({"size": (33, 48)}, {"times": expected.times[:-1]}, {"times": [2 * t for t in expected.times]},
                  {"note": "turned"}, {"wrong": -1}):  # fmt: skip
        assert odd_videos._fault(tmp_path / "a.mp4", replace(expected, **wrong))

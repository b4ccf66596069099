import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

BATTERIES = Path(__file__).parents[1] / "batteries"
sys.path.insert(0, str(BATTERIES))
spec = importlib.util.spec_from_file_location("odd_files", BATTERIES / "odd_files.py")
assert spec is not None and spec.loader is not None
odd_files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(odd_files)


def test_every_good_file_is_ingested_and_every_bad_one_named(tmp_path):
    report = odd_files.run(30, tmp_path)
    assert report.broken == () and report.held == report.tried >= 80
    assert report.control_broke >= 3  # the first reader that comes to mind is wrong about some
    assert report.passed
    assert not replace(report, held=report.held - 1).passed and not replace(report, control_broke=0).passed

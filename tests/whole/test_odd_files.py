import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("odd_files", Path(__file__).parents[1] / "batteries" / "odd_files.py")
assert spec is not None and spec.loader is not None
odd_files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(odd_files)


def test_every_good_file_is_ingested_and_every_bad_one_named(tmp_path):
    report = odd_files.run(tmp_path, len(odd_files.BAD))
    assert report["bad_not_named"] == report["good_refused"] == report["unclear_reasons"] == []
    assert report["good_ingested"] == report["good"] and report["bad_named"] == report["bad"] >= 30


def test_the_first_reader_that_comes_to_mind_is_wrong_about_some(tmp_path):
    report = odd_files.run(tmp_path, len(odd_files.BAD))
    assert report["control_wrong"] >= 3
    assert not odd_files.passed({**report, "bad_named": report["bad"] - 1})

import json
import math

import pytest

from framefall.evaluate.metrics.suite import protocol, row
from framefall.evaluate.report.table import table, to_json

ROWS = [
    row("flicker", {"a": 0.25, "b": 0.75, "c": math.nan}, "lower", "of the 0..1 range", floor=0.0625),
    row("luminance_flicker", {"a": math.nan, "b": math.nan, "c": math.nan}, "lower", "of the 0..1 range"),
    row("psnr", {"a": 31.0, "b": 31.0, "c": 31.0}, "higher", "dB"),
]


def test_the_table_is_aligned_and_complete() -> None:
    header, *lines, _ = table(ROWS).splitlines()
    assert [name.strip() for name in header.split("  ") if name] == [
        "metric", "value", "95% interval", "n", "better", "unit", "real video",
    ]  # fmt: skip
    for line in lines:
        for column in ("value", "better", "unit"):
            start = header.index(column)
            assert line[start - 1] == " " and line[start] != " "
    assert lines[0].split()[:2] == ["flicker", "0.5"] and "0.25 .. 0.75" in lines[0] and lines[0].endswith("0.0625")
    assert "31.00 .. 31.00" in lines[1] and "↑ higher" in lines[1]


def test_what_is_not_measurable_stands_in_the_table() -> None:
    lines = table(ROWS).splitlines()
    assert "2, not measurable (1 of 3)" in lines[1]
    assert lines[-1].startswith("not measurable in any clip: ") and " nan" not in table(ROWS)
    assert "not measurable in any clip" not in table([row for row in ROWS if row.n])


def test_the_json_is_strict_and_says_null_for_nan() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    report = json.loads(to_json(ROWS, {"model": "tiny"}), parse_constant=refuse)
    assert report["model"] == "tiny" and report["protocol"] == protocol() and report["n"] == 3
    flicker = report["metrics"]["flicker"]
    assert flicker == {
        "value": 0.5, "low": 0.25, "high": 0.75, "n": 2, "not_measurable": 1, "better": "lower",
        "unit": "of the 0..1 range", "floor": 0.0625, "per_clip": {"a": 0.25, "b": 0.75, "c": None},
    }  # fmt: skip
    assert report["metrics"]["luminance_flicker"]["value"] is None
    # the broken control: plain json.dumps writes NaN, which is no JSON
    with pytest.raises(AssertionError, match="NaN"):
        json.loads(json.dumps(math.nan), parse_constant=refuse)

import json
import math

from framefall.bench.table import aligned, lines, report

RATIO = {"median": 2.0, "low": 1.5, "high": 2.5}


def test_a_result_says_what_it_is_and_where_it_was_measured_and_is_json() -> None:
    found = report("render", {"results": {"clips": math.nan}, "ratios": {"a_over_b": RATIO}, "cells": 3})
    assert list(found)[:5] == ["name", "machine", "commit", "results", "ratios"] and found["cells"] == 3
    assert found["results"] == {"clips": None} and json.loads(json.dumps(found, allow_nan=False)) == found


def test_numbers_stand_one_a_line_with_their_spread() -> None:
    text = list(lines(report("render", {"results": {"clips_a_second": 12.5}, "ratios": {"a_over_b": RATIO}})))
    assert text[0].split() == ["name", "render"]
    assert any(line.split() == ["results.clips_a_second", "12.5"] for line in text)
    assert any(line.split(maxsplit=1) == ["ratios.a_over_b", "2 (1.5 .. 2.5)"] for line in text)


def test_results_that_are_alike_two_names_deep_are_a_table() -> None:
    row = {"kind": "unet", "parameters": 1234567, "gflops": 2.34, "latent": 0}
    text = list(lines(report("presets", {"results": {"nano": {"base": row, "ssr": {**row, "gflops": 12345.6}}}})))
    head, *table = text[text.index("") + 1 :]
    assert head.split() == ["stage", "kind", "parameters", "gflops"]  # nothing stands under latent
    assert [line.split() for line in table] == [
        ["nano", "base", "unet", "1,234,567", "2.3"],
        ["nano", "ssr", "unet", "1,234,567", "12,346"],
    ]
    assert len({len(line) for line in table}) == 1  # numbers end in one column


def test_results_that_are_not_alike_are_no_table() -> None:
    odd = {"nano": {"base": {"a": 1}, "ssr": {"b": 1}}}
    assert any(line.startswith("results.nano.base.a ") for line in lines(report("x", {"results": odd})))
    assert list(aligned([{"a": 1.0}]))[1].strip() == "1.0"

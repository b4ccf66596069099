"""Two settings: the same seed, and the differences that the library computes."""

import math
from pathlib import Path

import pytest
from serving import Served

from framefall.metric import interval
from framefall.runs.evaluation.evaluate import assess


@pytest.mark.slow  # the pairs are in `runs/evaluation/test_paired.py`, the scores in `test_measure.py`
def test_differences_are_those_of_the_pairs(studio: Served, toy: str, tmp_path: Path) -> None:
    sides = {"a": {"model": toy}, "b": {"model": toy, "quality": "best"}}
    found = studio.done("compare", {**sides, "count": 2, "seed": 4})["result"]
    first = found["a"][0]
    (tmp_path / "clip.mp4").write_bytes(studio.client.get(f"/api/files/{first['video']}").content)
    (ours,) = assess(tmp_path / "clip.mp4").clips
    assert {name: value for name, value in first["scores"].items() if value is not None} == {
        name: value for name, value in ours.scores.items() if math.isfinite(value)
    }
    assert [clip["name"] for clip in found["a"]] == [clip["name"] for clip in found["b"]]
    measured = 0
    for one in found["metrics"]:
        a, b = ([clip["scores"][one["metric"]] for clip in found[side]] for side in sides)
        gap = interval([x - y for x, y in zip(a, b, strict=True) if x is not None and y is not None])
        assert one["difference"]["n"] == gap.n
        if gap.n:
            measured += 1
            assert math.isclose(one["difference"]["value"], gap.value, abs_tol=1e-12)
            assert one["says"]
    assert measured >= 3

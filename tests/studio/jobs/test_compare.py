"""Two settings: the same seed, and the differences that the library computes."""

import math
from pathlib import Path

from serving import Served

from framefall.metric import interval
from framefall.runs.evaluation.evaluate import assess


def test_differences_are_those_of_the_pairs(studio: Served, toy: str, tmp_path: Path) -> None:
    sides = {"a": {"model": toy}, "b": {"model": toy, "quality": "best"}}
    found = studio.done("compare", {**sides, "count": 2, "seed": 4})["result"]
    values = {}
    for side in sides:
        (tmp_path / side).mkdir()
        for clip in found[side]:
            content = studio.client.get(f"/api/files/{clip['video']}").content
            (tmp_path / side / clip["name"]).write_bytes(content)
        values[side] = {row.metric: row.per_clip for row in assess(tmp_path / side).rows}
    assert [clip["name"] for clip in found["a"]] == [clip["name"] for clip in found["b"]]
    measured = 0
    for one in found["metrics"]:
        a, b = (values[side][one["metric"]] for side in sides)
        gap = interval([a[clip] - b[clip] for clip in a])
        assert one["difference"]["n"] == gap.n
        if gap.n:
            measured += 1
            assert math.isclose(one["difference"]["value"], gap.value, abs_tol=1e-12)
            assert one["says"]
    assert measured >= 5

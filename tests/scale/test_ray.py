"""Ray at the full count: 200 clips prepared and generated, ten workers killed, a node taken away."""

import sys
from pathlib import Path

import pytest

from examples import examples

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

sys.path.insert(0, str(Path(__file__).parents[1] / "batteries"))


def test_killed_workers_and_a_lost_node_lose_and_double_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra framefall[ray]")
    import ray_kills

    report = ray_kills.run(examples(12, 200), tmp_path)
    assert report.passed, report.json()

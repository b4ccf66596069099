import pytest

from framefall.bench.speed import render
from framefall.recipes.registry import RECIPES


@pytest.mark.slow  # `test_timing.py` has what is measured with
def test_drawing_is_measured_beside_a_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "nano", RECIPES["micro"])
    found = render.render_bench(0.01)
    assert found["ratios"].keys() == {"render_over_train_step_base", "render_over_train_step_ssr"}
    assert all(0 < one["low"] <= one["median"] <= one["high"] for one in found["ratios"].values())
    results = found["results"]
    small, large = (results[f"{shape}_ms_a_clip"] for shape in ("16x64x64", "61x256x256"))
    assert 0 < small < large and results["16x64x64_clips_a_second"] == pytest.approx(1000 / small)

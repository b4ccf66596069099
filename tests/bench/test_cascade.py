"""What a cascade buys: the count agrees with the networks', and both ways are trained and measured."""

import math
from dataclasses import replace

import pytest

from framefall.bench.cascade import WAYS, cascade_bench, miniature, planned, single
from framefall.bench.guidance import MEASURES
from framefall.bench.presets import sized
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.recipes.registry import RECIPES


@pytest.mark.slow  # what is counted of a network is in `test_presets.py`
def test_a_plan_of_the_shape_that_a_stage_was_made_for_is_what_the_presets_say():
    stages = {name: part.stage for name, part in RECIPES["worlds"]().stages.items()}
    base, temporal, spatial = (stages[name] for name in ("base", "temporal_sr", "spatial_sr"))
    found = planned(base, temporal, spatial, 256)
    assert found["stages"]["base"] == pytest.approx(sized(base)["gflops_a_clip"])
    assert found["stages"]["temporal"] == pytest.approx(sized(temporal)["gflops_a_clip"])
    share = 60 * 256**2 / (spatial.shape.frames * spatial.shape.height * spatial.shape.width)
    assert found["stages"]["spatial"] == pytest.approx(sized(spatial)["gflops_a_clip"] * share)
    # the control: at the base's own size and length, one model is its base, and a cascade costs more than it
    short = planned(base, temporal, spatial, 32)
    assert found["times"] > 10 * short["times"]


def test_the_single_model_is_the_base_network_at_the_finished_size():
    whole, parts = single(miniature()).stages, miniature().stages
    assert whole.keys() == {"base"} and whole["base"].stage.backbone == parts["base"].stage.backbone
    shape, high, long = whole["base"].stage.shape, parts["spatial_sr"].stage.shape, parts["temporal_sr"].stage.shape
    assert (shape.frames, shape.fps, shape.height, shape.width) == (long.frames, long.fps, high.height, high.width)


def toys():
    """Recipes that seconds are enough for."""
    recipe = RECIPES["micro"]()
    stages = {name: replace(part, batch=1) for name, part in recipe.stages.items()}
    base = stages["base"].stage
    stages["base"] = replace(stages["base"], stage=replace(base, backbone=replace(base.backbone, hide_padding=True)))
    return replace(recipe, stages=stages)


@pytest.mark.slow
def test_both_ways_see_clips_and_make_clips(trained, monkeypatch):
    monkeypatch.setattr("framefall.bench.cascade.miniature", toys)
    monkeypatch.setattr("framefall.bench.cascade.SCENARIOS", ("uniform", "fall"))
    monkeypatch.setattr("framefall.bench.cascade.KNOWN", 24)
    monkeypatch.setattr("framefall.bench.cascade.SIDES", (64,))
    found = cascade_bench(str(trained), minutes=0.004, clips=1)
    both = found["results"]["miniature"]
    assert both.keys() == set(WAYS) and both["cascade"]["seen"].keys() == {"base", "temporal_sr", "spatial_sr"}
    for each in both.values():
        assert all(count > 0 for count in each["seen"].values())
        assert 0 <= each["blur"].value < math.inf and each["cpu_seconds"] > 0
        assert MEASURES.keys() <= each.keys()
    assert found["ratios"]["miniature_gflops"] > 2 and found["ratios"]["planned_64"] > 2


def test_a_model_without_its_stages_is_refused(tmp_path):
    whole = load_cascade("pico")
    save(
        replace(whole, config=replace(whole.config, stages={"base": whole.stages[0].config}), stages=whole.stages[:1]),
        tmp_path / "part",
    )
    with pytest.raises(ValueError, match=r"must have all three stages, .* has no spatial_sr"):
        cascade_bench(str(tmp_path / "part"))

import pytest

from examples import examples
from framefall.bench import presets
from framefall.bench.presets import presets_bench, sized
from framefall.recipes.registry import RECIPES
from framefall.recipes.systems import SYSTEMS


@pytest.mark.slow  # one recipe's in `cli/test_bench.py`
def test_every_stage_of_every_recipe_has_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one recipe and one system; under `make test-full` of all."""
    assert RECIPES.keys() > SYSTEMS.keys()
    known = RECIPES if examples(0, 1) else {name: RECIPES[name] for name in ("micro", "sora_like")}
    monkeypatch.setattr(presets, "RECIPES", known)
    results = presets_bench()["results"]
    assert results.keys() == known.keys()
    for name, make in known.items():
        assert list(results[name]) == list(make().stages)
        for row in results[name].values():
            assert row["parameters"] > 0 and row["gflops_a_call"] > 0 and row["activations_mebibytes"] > 0
    if seven := results.get("imagen_video"):
        assert sum(row["parameters"] for row in seven.values()) / 1e9 == pytest.approx(11.6, rel=0.05)  # as published
    assert sum(results["sora_like"]["base"][key] for key in ("parameters", "autoencoder_parameters")) > 4e8


def test_operations_grow_with_the_clip_and_guidance_doubles_them() -> None:
    base = RECIPES["nano"]().stages["base"].stage
    row = sized(base)
    assert row["gflops_a_clip"] == pytest.approx(2 * base.best.calls * row["gflops_a_call"])
    # known: 256 tokens through a DiT take about 2 operations a weight and token, and the attention's own
    assert row["gflops_a_call"] > 2e-9 * 0.8 * row["parameters"] * 16 * 4 * 4

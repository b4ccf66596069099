"""The clock in the training loop, and the operations of a network against a count by hand."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from framefall.bench.speed import train
from framefall.bench.speed.timing import flops
from framefall.bench.speed.train import PARTS, Clock, Steps, network_flops, train_bench, watched
from framefall.cascade.stage_config import StageConfig
from framefall.cascade.tasks import Base
from framefall.data.loader import batches
from framefall.models.precision import autocast, fast_dtype
from framefall.models.transformer import TransformerConfig
from framefall.recipes.registry import RECIPES
from framefall.runs.sources import WorldSource
from framefall.train import objective
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import StageRecipe
from framefall.video import VideoShape
from framefall.worlds.world import open_world

WORLD = WorldSource(open_world("fall:8"), size=32, fps=12.0)


@pytest.fixture(scope="module", autouse=True)
def few_clips() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "CLIPS", 8)
        yield


@pytest.fixture(scope="module")
def found(few_clips: None) -> dict[str, Any]:
    return train_bench("micro", seconds=0.05, rounds=2)


@pytest.mark.slow  # all stages; one is measured below
def test_every_stage_has_its_ratio_and_its_shares(found: dict[str, Any]) -> None:
    stages = list(RECIPES["micro"]().stages)
    ratios = found["ratios"]["step_over_matmul_floor"]["micro"]
    assert list(ratios) == list(found["results"]["micro"]) == stages
    for name in stages:
        row = found["results"]["micro"][name]
        assert list(row["share"]) == list(PARTS) and sum(row["share"].values()) == pytest.approx(1.0)
        assert all(share > 0 for part, share in row["share"].items() if part != "text")
        assert row["clips_a_cpu_second"]["median"] > 0 and row["network_gflops_a_clip"] > 0
        assert 1 < ratios[name]["low"] <= ratios[name]["median"] <= ratios[name]["high"]
        assert row["ms_a_clip_once"] > 0


@pytest.mark.slow
def test_the_ratio_is_a_step_over_the_operations_at_the_products_rate(found: dict[str, Any]) -> None:
    row = found["results"]["micro"]["spatial_sr"]
    floor = row["network_gflops_a_clip"] / row["matmul_gflops_a_second"]["median"]
    ratio = found["ratios"]["step_over_matmul_floor"]["micro"]["spatial_sr"]
    assert row["ms_a_clip"]["median"] / 1000 / floor == pytest.approx(ratio["median"], rel=0.2)


def test_settings_and_a_stage_are_chosen() -> None:
    given = train_bench("micro", "spatial_sr", ["stages.spatial_sr.batch=2"], 0.01, 1)
    assert list(given["results"]["micro"]) == ["spatial_sr"] and given["results"]["micro"]["spatial_sr"]["batch"] == 2
    with pytest.raises(ValueError, match="--stage must be one of base, temporal_sr, spatial_sr; got 'first'"):
        train_bench("micro", "first")
    with pytest.raises(ValueError, match="recipe must be one of nano"):
        train_bench("tiny")


def tiny() -> StageRecipe:
    """A network of one block whose products can be counted by hand: 8 tokens of 2 x 8 x 8, 16 wide."""
    network = TransformerConfig(dim=16, depth=1, heads=2, patch=(1, 4, 4), bottleneck=4)
    stage = StageConfig(task=Base(), shape=VideoShape(frames=2, height=8, width=8, fps=6.0), backbone=network)
    return StageRecipe(stage=stage, batch=3)


def by_hand() -> tuple[int, int]:
    """Operations of a clip's products, forward and backward, of `tiny`: a multiplication and an addition each."""
    tokens, dim, pixels, hidden = 8, 16, 3 * 4 * 4, 64
    linear = {  # rows, in, out
        "pixels": (tokens, pixels, 4),
        "bottleneck": (tokens, 4, dim),
        "places": (tokens, 16, dim),
        "qkv": (tokens, dim, 3 * dim),
        "proj": (tokens, dim, dim),
        "gate_up": (tokens, dim, 2 * hidden),
        "down": (tokens, hidden, dim),
        "out": (tokens, dim, pixels),
        "modulation": (1, dim, 6 * dim),
        "norm_out": (1, dim, 2 * dim),
    }
    of_time = _time_embedding(dim)
    attention = 2 * 2 * tokens * tokens * dim  # queries with keys, scores with values
    forward = sum(2 * rows * inside * outside for rows, inside, outside in linear.values()) + attention + sum(of_time)
    # backward each product has two, one for either factor; nothing asks for the gradient of pixels, places or t
    unasked = 2 * tokens * (pixels * 4 + 16 * dim) + of_time[0]
    # in float32 attention is torch's fused kernel, which makes the scores again on its way back
    again = 2 * tokens * tokens * dim if fast_dtype(torch.device("cpu")) == torch.float32 else 0
    return forward, 2 * forward - unasked + again


def _time_embedding(dim: int) -> tuple[int, int]:
    """The two layers that diffusion time goes through."""
    network = initial("base", tiny(), 0, torch.device("cpu")).backbone
    first, second = [one for one in network.time_embed.modules() if isinstance(one, torch.nn.Linear)]  # type: ignore[union-attr]
    assert second.out_features == dim
    return 2 * first.in_features * first.out_features, 2 * second.in_features * second.out_features


def test_operations_are_those_counted_by_hand_both_ways() -> None:
    part = tiny()
    stage = initial("base", part, 0, torch.device("cpu"))
    batch = next(batches(WORLD, objective.window(replace(part, image_share=0.0)), batch=3, seed=0))
    forward, backward = by_hand()
    assert network_flops(stage, part, batch, 0, 0) == 3 * (forward + backward)
    assert all(parameter.grad is None for parameter in stage.backbone.parameters())
    with autocast(torch.device("cpu")):  # the control: a pass without gradients knows nothing of the way back
        assert flops(lambda: objective.loss(stage, part, batch, 0, 0)) == 3 * forward


@pytest.mark.parametrize("recipe", ["micro", pytest.param("worlds", marks=pytest.mark.slow)])
def test_a_fused_kernel_hides_no_product(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled from this package is no operation of torch: were there a product in it, it would be missing."""
    part = replace(RECIPES[recipe]().stages["base"], batch=1, image_share=0.0)
    stage = initial("base", part, 0, torch.device("cpu"))
    batch = next(batches(WORLD, objective.window(part), batch=1, seed=0))
    counted = network_flops(stage, part, batch, 0, 0)
    monkeypatch.setenv("FRAMEFALL_NO_KERNEL", "1")
    assert network_flops(stage, part, batch, 0, 0) == counted > 1e6


def test_what_comes_between_two_marks_belongs_to_the_part_that_ends_there() -> None:
    def work(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    clock = Clock()
    clock.start()
    work(0.02)
    with clock.loss():
        with clock.during("text"):
            work(0.03)
        work(0.01)
        with clock.during("network"):
            work(0.02)
    work(0.03)
    clock.back()
    work(0.04)
    clock.stop()
    expected = {"data": 0.02, "text": 0.03, "objective": 0.01, "network": 0.05, "optimiser": 0.04}
    assert clock.seconds == pytest.approx(expected, abs=0.008)
    clock.forget()
    assert set(clock.seconds.values()) == {0.0}


def test_a_stage_says_when_it_reads_captions_and_when_its_network_runs() -> None:
    part = replace(RECIPES["micro"]().stages["base"], image_share=0.0)
    stage = initial("base", part, 0, torch.device("cpu"))
    batch = next(batches(WORLD, objective.window(part), batch=2, seed=0))
    entered: list[str] = []

    @contextmanager
    def watch(name: str) -> Iterator[None]:
        entered.append(name)
        yield

    losses = objective.loss(watched(stage, watch), part, batch, 0, 0)
    assert entered == ["text", "network"]
    assert torch.equal(losses, objective.loss(stage, part, batch, 0, 0))


def test_the_steps_are_those_of_the_real_loop(tmp_path: Path) -> None:
    """The same losses as without a clock, and nothing is left on the network."""
    recipe = RECIPES["micro"]()
    part = replace(recipe.stages["base"], image_share=0.0)
    plain = train_stage(
        initial("base", part, recipe.seed, torch.device("cpu")),
        replace(recipe, stages={"base": part}),
        WORLD,
        Budget(steps=1 << 40),
        tmp_path / "plain",
    )
    expected = [event.loss for event, _ in zip(plain, range(3), strict=False) if isinstance(event, TrainingStep)]
    plain.close()  # type: ignore[attr-defined]
    steps = Steps(recipe, "base", WORLD, tmp_path / "clocked")
    assert steps.take(3) > 0
    steps.keep()
    steps.close()
    rows = (tmp_path / "clocked" / "log.jsonl").read_text().splitlines()
    assert [json.loads(row)["loss"] for row in rows] == pytest.approx(expected, rel=1e-6)
    assert steps.kept[0][2] == 2 and not any(
        one._post_accumulate_grad_hooks for one in steps.stage.backbone.parameters()
    )

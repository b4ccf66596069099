"""A stage as a graph: what it gives for clips, lengths and sizes that it was not made with."""

from collections.abc import Iterator
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from examples import examples
from framefall.cascade.saved.graphs import TOLERANCE, Example, example, program, walked
from framefall.cascade.stage import Stage
from framefall.diffusion.samplers import SAMPLERS
from framefall.models.engine import tensors_of
from framefall.recipes.presets import micro
from framefall.recipes.systems import imagen_video, miniature
from framefall.train.loop import initial
from framefall.train.recipe import Recipe


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """While a network is traced its sizes are no integers, which the checks of shapes do not know."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def lively(name: str, recipe: Recipe) -> Stage:
    """A stage no weight of which is zero, as after training."""
    stage = initial(name, recipe.stages[name], 0, torch.device("cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in stage.backbone.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.05)
    stage.backbone.eval()
    return stage


def difference(stage: Stage, graph: nn.Module, tried: Example, clips: int, scale: float = 1.0) -> float:
    x_t = (tried.start * 0.7).repeat(clips, 1, 1, 1, 1)
    t, told = (
        torch.full((clips,), 0.3),
        [one.repeat(clips, *[1] * (one.ndim - 1)) for one in tensors_of(tried.condition).values()],
    )
    with torch.no_grad():
        condition = type(tried.condition)(**dict(zip(tensors_of(tried.condition), told, strict=True)))
        ours = stage.x0(x_t, t, condition)
        return float((graph(x_t, t, *told) * scale - ours).abs().max())


STAGES = [("base", micro), ("spatial_sr", micro), ("temporal_sr", micro), ("base", lambda: miniature(imagen_video()))]


@pytest.mark.slow  # `runs/test_exports.py` has a graph held against its stage
@pytest.mark.parametrize(("name", "recipe"), STAGES[: examples(1, 4)])
def test_a_graph_gives_what_the_stage_believes_for_any_number_of_clips(name, recipe) -> None:  # type: ignore[no-untyped-def]
    stage = lively(name, recipe())
    tried = example(stage, torch.zeros(1, 3, 4, 16, 16), "a ball falls")
    graph = program(stage, tried, free=False).module()
    assert all(difference(stage, graph, tried, clips) < 1e-5 for clips in (1, 3))
    assert difference(stage, graph, tried, 1, scale=1.02) > TOLERANCE  # what is off by a fiftieth shows


@pytest.mark.slow
def test_sizes_are_free_where_they_can_be() -> None:
    stage = lively("base", micro())
    tried = example(stage, None, "a ball falls")
    graph = program(stage, tried).module()
    shape = (1, 3, 6, 24, 20)
    x, seconds = torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.arange(6)[None] / 6.0
    told = replace(tried.condition, seconds=seconds)
    with torch.no_grad():
        assert (
            graph(x, torch.tensor([0.5]), *tensors_of(told).values()) - stage.x0(x, torch.tensor([0.5]), told)
        ).abs().max() < 1e-5


def test_a_walk_ends_where_the_sampler_ends() -> None:
    stage = lively("base", micro())
    tried = example(stage, None, None)
    end = walked(stage, tried)
    with torch.no_grad():
        *_, last = SAMPLERS["euler"](
            lambda x, t: stage.x0(x, t, tried.condition), stage.process, tried.start, tried.times, None
        )
    assert torch.equal(end, last.x) and not torch.equal(end, tried.start)
    assert {"x_t", "seconds", "text", "text_mask"} == tried.arrays().keys()
    assert all(isinstance(one, np.ndarray) for one in tried.arrays().values())

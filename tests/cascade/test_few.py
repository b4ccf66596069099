"""Which network draws what is asked for."""

from dataclasses import replace

import pytest
import torch

from framefall.cascade.few import drawing
from framefall.cascade.request import Request
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Few
from framefall.diffusion.guidance_config import Guidance
from framefall.models.experts import retold
from framefall.models.registry import build
from framefall.recipes.presets import micro
from framefall.train.loop import initial


@pytest.fixture(scope="module")
def both() -> Stage:
    """A base with a distilled network beside its own."""
    stage = initial("base", micro().stages["base"], 0, torch.device("cpu"))
    network = retold(stage.config.backbone, flow_map=True, baked_guidance=(1.0, 4.0))
    few = Few(backbone=network, fast=replace(stage.config.fast, steps=3, guidance=Guidance(scale=2.0)))
    return replace(stage, few=build(network), config=replace(stage.config, few=few))


@pytest.mark.parametrize(
    ("request_", "by_few"),
    [
        (Request("a ball"), True),
        (Request("a ball", guidance=1), True),
        (Request("a ball", guidance={"scale": 4.0}), True),
        (Request("a ball", guidance=Guidance(scale=3.0)), True),
        (Request("a ball", guidance=4.1), False),
        (Request("a ball", guidance={"rescale": 0.5}), False),
        (Request("a ball", guidance=Guidance(scale=2.0, interval=(0.2, 0.5))), False),
        (Request("a ball", quality="best"), False),
    ],
    ids=repr,
)
def test_the_distilled_network_draws_what_it_can(both: Stage, request_: Request, by_few: bool) -> None:
    drawn = drawing(both, request_)
    assert (drawn.backbone is both.few) == by_few
    if by_few:
        assert drawn.sampling("fast").steps == 3 and drawn.config.backbone.flow_map and drawn.few is None
    else:
        assert drawn is both


def test_a_weaker_model_to_walk_away_from_is_for_the_stages_own_network(both: Stage) -> None:
    assert drawing(replace(both, weaker=both), Request("a ball")).backbone is both.backbone

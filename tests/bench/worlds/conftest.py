"""A toy cascade of three stages that goes on from given frames; fresh weights, for nobody asks how good it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.saved.checkpoint import save
from framefall.cascade.stage import Stage
from framefall.models.registry import build
from framefall.recipes.registry import RECIPES


def toy_of_worlds() -> Cascade:
    """`micro` with a base that can be told three frames, trained on nothing and said to be of version 2."""
    configs = {name: recipe.stage for name, recipe in RECIPES["micro"]().stages.items()}
    base = configs["base"]
    backbone = replace(base.backbone, low_res_channels=4)
    configs["base"] = replace(base, task=replace(base.task, known=3), backbone=backbone)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stages = tuple(
            Stage(name=name, config=one, backbone=build(one.backbone).eval()) for name, one in configs.items()
        )
    trained_on = ["worlds:projectile/train/40@2"]
    return Cascade(config=CascadeConfig(name="toy", stages=configs, trained_on=trained_on), stages=stages)


@pytest.fixture(scope="session")
def toy_world(once: Callable) -> Path:
    return once("toy_world", lambda folder: save(toy_of_worlds(), folder / "toy")) / "toy"

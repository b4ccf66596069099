"""A toy cascade of three stages that goes on from given frames; random weights, for nobody asks how good it is."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from examples import examples
from framefall.bench.registry import Options, benchmark
from framefall.bench.worlds import bench, copies, sheets
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.saved.checkpoint import save
from framefall.cascade.stage import Stage
from framefall.evaluate.worldbench.benchmark import Protocol
from framefall.jsonable import json_text
from framefall.models.registry import build
from framefall.recipes.registry import RECIPES
from framefall.worlds.violations.registry import VIOLATIONS

SPLITS = examples(("id",), ("id", "ood-far"))


def toy_of_worlds() -> Cascade:
    """`micro` with a base that can be told three frames, trained on nothing and said to be of version 2."""
    configs = {name: recipe.stage for name, recipe in RECIPES["micro"]().stages.items()}
    base = configs["base"]
    backbone = replace(base.backbone, low_res_channels=4)
    configs["base"] = replace(base, task=replace(base.task, known=3), backbone=backbone)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = {name: build(one.backbone).eval() for name, one in configs.items()}
        for parameter in fresh["base"].parameters():  # or all it makes is grey, and stands still
            parameter.data += 0.1 * torch.randn(parameter.shape)
    stages = tuple(Stage(name=name, config=one, backbone=fresh[name]) for name, one in configs.items())
    trained_on = ["worlds:projectile/train/40@2"]
    return Cascade(config=CascadeConfig(name="toy", stages=configs, trained_on=trained_on), stages=stages)


@pytest.fixture(scope="session")
def toy_world(once: Callable) -> Path:
    return once("toy_world", lambda folder: save(toy_of_worlds(), folder / "toy")) / "toy"


@pytest.fixture(scope="session")
def toy() -> Cascade:
    return toy_of_worlds()


@pytest.fixture(scope="session")
def protocol() -> Protocol:
    """One scenario at the toy's size."""
    return Protocol(scenarios=("projectile",), clips=2, frames=8, size=16, training=20, version=2)


@dataclass(frozen=True)
class Measured:
    """A whole run: its JSON, and the folder of sheets."""

    scores: dict[str, Any]
    sheets: Path


@pytest.fixture(scope="session")
def measured(toy_world: Path, once: Callable) -> Measured:
    """A run with sheets, cut down to one scenario, a split or two and one kind of violation; by the first who asks."""

    def fill(folder: Path) -> None:
        small = Protocol(scenarios=("projectile",), training=20)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench, "Protocol", lambda **values: replace(small, **values))
            patch.setattr(bench, "SPLITS", SPLITS)
            patch.setattr(bench, "VIOLATIONS", {"colour_switch": VIOLATIONS["colour_switch"]})
            patch.setattr(bench, "FEW_KINDS", ())
            patch.setattr(copies, "LOOKED", 30)
            patch.setattr(sheets, "CLIPS", 5)
            found = benchmark("worlds", Options(model=str(toy_world), clips=2, picture=folder / "sheets"))
        (folder / "scores.json").write_text(json_text(found))

    folder = once("worlds_table", fill)
    return Measured(json.loads((folder / "scores.json").read_text()), folder / "sheets")


@pytest.fixture(scope="session")
def worlds_page() -> ModuleType:
    """The script that writes docs/worlds.md."""
    path = Path(__file__).parents[3] / "scripts" / "worlds_page.py"
    spec = importlib.util.spec_from_file_location("worlds_page", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Simulated clips on disk that several questions are asked about."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.runs.worlds import WorldFormat, write_world
from framefall.worlds.world import open_world


def simulated(folder: Path, start: int, count: int = 4) -> Path:
    """Simulated clips of 32 pixels and 13 frames."""
    look = WorldFormat(size=32, frames=13)
    list(write_world(open_world("projectile,uniform", split="id"), folder, look, count=count, start=start))
    return folder


@pytest.fixture(scope="session")
def generated(once: Callable) -> Path:
    """Four simulated clips on disk."""
    return once("generated", lambda folder: simulated(folder / "clips", 0)) / "clips"


@pytest.fixture(scope="session")
def unseen(once: Callable) -> Path:
    """Eight others of the same kind."""
    return once("unseen", lambda folder: simulated(folder / "clips", 100, 8)) / "clips"


@pytest.fixture(scope="module")
def cascade(trained: Path) -> Cascade:
    """The toy with weights moved by noise: after a few steps it would make nothing but grey."""
    cascade, generator = load_cascade(trained), torch.Generator().manual_seed(0)
    for stage in cascade.stages:
        for parameter in stage.backbone.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return cascade

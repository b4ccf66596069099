"""Simulated clips on disk that several questions are asked about."""

from collections.abc import Callable
from pathlib import Path

import pytest

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

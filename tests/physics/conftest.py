import functools
from collections.abc import Callable

import pytest

from framefall.physics.truth import Truth, project
from framefall.worlds.state import StateLog
from framefall.worlds.world import World

SIZE = 64
Clip = tuple[StateLog, Truth]


@functools.cache
def _clip(scenario: str, index: int, fps: int) -> Clip:
    log = World((scenario,), "id").log(index)
    return log, project(log, round(2.5 * fps) + 1, float(fps), SIZE, SIZE)


@pytest.fixture(scope="session")
def clip() -> Callable[..., Clip]:
    """A scene of a scenario, and what its clip of 64 pixels should show."""
    return lambda scenario, index=0, fps=24: _clip(scenario, index, fps)

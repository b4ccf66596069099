"""What several benchmarks' tests measure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from framefall.bench.uses.long_video import long_videos
from framefall.cascade.saved.checkpoint import load_cascade, save


@pytest.fixture(scope="session")
def lively(trained: Path, once: Callable) -> Path:
    """The toy with weights moved by noise: after a few steps it would make nothing but grey."""

    def fill(folder: Path) -> None:
        cascade, generator = load_cascade(trained), torch.Generator().manual_seed(0)
        for stage in cascade.stages:
            for parameter in stage.backbone.parameters():
                parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        save(cascade, folder / "toy")

    return once("lively", fill) / "toy"


@pytest.fixture(scope="session")
def long_of(lively: Path) -> dict[str, Any]:
    """Five seconds of the toy, made in a process of their own."""
    return long_videos(str(lively), 1, 5.0, 0, "fast", 1)

"""What several benchmarks' tests measure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forked import forking

from framefall.bench.uses import long_video
from framefall.cascade.saved.checkpoint import load_cascade, save
from framefall.data.media.decode import decode


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


@dataclass(frozen=True)
class Long:
    """What was found of a long video, and of each process that made one: its job, its answer, what it was given, and
    its frames.
    """

    found: dict[str, Any]
    made: list[tuple[long_video.Job, dict[str, float], np.ndarray, np.ndarray]] = field(default_factory=list)


@pytest.fixture(scope="session")
def long_of(lively: Path) -> Long:
    """Five seconds of the toy, made in a process of their own."""
    made, apart = [], long_video.made_apart

    def looked_at(job: long_video.Job) -> dict[str, float]:
        answer = apart(job)
        frames = np.stack([frame.pixels for frame in decode(job.output)])
        made.append((job, answer, np.load(job.given), frames))
        return answer

    with forking(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_video, "made_apart", looked_at)
        return Long(long_video.long_videos(str(lively), 1, 5.0, 0, "fast", 1), made)

import copy
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.known import Known
from framefall.cascade.saved.checkpoint import save
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.models import precision
from framefall.models.registry import build
from framefall.noise import Key
from framefall.recipes.registry import RECIPES

Make = Callable[[str, StageConfig], Stage]


def _configs() -> dict[str, StageConfig]:
    return {name: recipe.stage for name, recipe in RECIPES["micro"]().stages.items()}


def _fresh(name: str, config: StageConfig) -> Stage:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Stage(name=name, config=config, backbone=build(config.backbone).eval())


def _learned(name: str, config: StageConfig) -> Stage:
    return copy.deepcopy(_drawn(name, config))  # in less than half of the time


@cache
def _drawn(name: str, config: StageConfig) -> Stage:
    stage = _fresh(name, config)
    generator = torch.Generator().manual_seed(1)
    for path, parameter in stage.backbone.named_parameters():
        if path.endswith("_norm.weight"):
            nn.init.uniform_(parameter, 1.0, 2.0, generator=generator)  # so that attention chooses
        else:
            size = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
            nn.init.normal_(parameter, std=size, generator=generator)
    return stage


def _cascade() -> Cascade:
    configs = _configs()
    stages = tuple(_learned(name, config) for name, config in configs.items())
    return Cascade(config=CascadeConfig(name="toy", stages=configs), stages=stages)


@pytest.fixture
def configs() -> dict[str, StageConfig]:
    """The stages of the toy recipe: 8 frames at 16 x 16 -> 15 -> 32 x 32."""
    return _configs()


@pytest.fixture
def fresh() -> Make:
    """A stage as training begins with it."""
    return _fresh


@pytest.fixture
def learned() -> Make:
    """A stage no weight of whose network is zero, as after training."""
    return _learned


@pytest.fixture
def cascade() -> Cascade:
    """The toy cascade, with weights that are not zero."""
    return _cascade()


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in float32 on every machine, where rounding is what a test is not about."""
    monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)


@pytest.fixture
def moving() -> Callable[..., Tensor]:
    """A smooth pattern that drifts one pixel a frame, in -1..1."""

    def make(frames: int, height: int = 8, width: int = 8, clips: int = 1) -> Tensor:
        down, right = torch.arange(height)[:, None], torch.arange(width)
        f = torch.arange(frames)[:, None, None]
        planes = [torch.sin(0.7 * (right - f) + 0.4 * down + phase) for phase in range(3 * clips)]
        return 0.8 * torch.stack(planes).unflatten(0, (clips, 3))

    return make


@pytest.fixture
def spatial(configs: dict[str, StageConfig], learned: Make) -> Stage:
    return learned("spatial_sr", configs["spatial_sr"])


@pytest.fixture
def temporal(configs: dict[str, StageConfig], learned: Make) -> Stage:
    return learned("temporal_sr", configs["temporal_sr"])


@pytest.fixture
def base(configs: dict[str, StageConfig], learned: Make) -> Stage:
    return learned("base", configs["base"])


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy cascade as a folder; not to be touched."""
    folder = tmp_path_factory.mktemp("saved") / "toy"
    save(_cascade(), folder)
    return folder


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy of it to do anything with."""
    return shutil.copytree(saved, tmp_path / "toy")


@pytest.fixture
def run() -> Callable[..., Tensor]:
    """The finished frames of one segment of a stage."""

    def make(
        stage: Stage,
        low: Tensor | None,
        frames: range,
        sampling: Sampling,
        keys: Sequence[Key] = (Key(0, "sample", "0"),),
        given: Tensor | None = None,
    ) -> Tensor:
        shape, known = stage.config.shape, None
        if given is not None:  # the first frames
            rest = given.new_zeros(*given.shape[:2], len(frames) - given.shape[2], *given.shape[3:])
            mask = (torch.arange(len(frames)) < given.shape[2]).float()[None, None, :, None, None]
            known = Known(video=torch.cat((given, rest), dim=2), mask=mask)
        size = (shape.height, shape.width) if low is None else stage.task.output_size(low)
        condition = stage.condition([None] * len(keys), frames=len(frames), fps=shape.fps)
        *_, last = stage.sample(condition, low, size, frames, keys, sampling, known)
        return last.x

    return make

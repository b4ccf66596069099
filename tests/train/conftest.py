"""Short runs of the toy recipe on real clips."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from framefall.cascade.stage import Stage
from framefall.data.folder import Folder
from framefall.recipes.registry import RECIPES
from framefall.train.loop import Budget, Progress, initial, train
from framefall.train.recipe import Recipe

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ran:
    """A run of one stage: what its reader saw, the stage, and the run's folder."""

    stage: Stage
    seen: list[Progress]
    folder: Path

    @property
    def losses(self) -> dict[int, float]:
        """By step; a step that was done twice has its last loss."""
        return {progress.step: progress.loss for progress in self.seen}

    @property
    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.stage.backbone.state_dict().items()}

    @property
    def checkpoints(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("[0-9]*"))

    @property
    def log(self) -> list[dict]:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is not JSON")

        return [
            json.loads(line, parse_constant=refuse) for line in (self.folder / "log.jsonl").read_text().splitlines()
        ]


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """The toy recipe, which saves every other step."""
    return replace(RECIPES["micro"](), save_every=2)


@pytest.fixture(scope="session")
def go(folder: Folder) -> Callable[..., Ran]:
    """Trains a stage up to `steps`; at each of `stops` the reader leaves and a new process begins, as it were."""

    def run(
        recipe: Recipe,
        name: str,
        run_folder: Path,
        *,
        steps: int = 6,
        stops: Sequence[int] = (),
        folder: Folder = folder,
    ) -> Ran:
        seen: list[Progress] = []
        for stop in [*stops, None]:
            stage = initial(name, recipe.stages[name], recipe.seed, CPU)
            events = train(stage, recipe, folder, Budget(steps=steps), run_folder)
            for progress in events:
                seen.append(progress)
                if progress.step == stop:
                    events.close()
        return Ran(stage, seen, run_folder)

    return run

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
from framefall.data.loader import Source
from framefall.progress import Note
from framefall.recipes.registry import RECIPES
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ran:
    """A run of one stage: what its reader saw, the stage, and the run's folder."""

    stage: Stage
    events: list[TrainingStep | Note]
    folder: Path

    @property
    def seen(self) -> list[TrainingStep]:
        """The steps, without what was said between them."""
        return [event for event in self.events if isinstance(event, TrainingStep)]

    @property
    def notes(self) -> dict[int, str]:
        """What was said right before each step."""
        found: dict[int, str] = {}
        said: list[str] = []
        for event in self.events:
            if isinstance(event, Note):
                said.append(event.text)
            elif said:
                found[event.step] = " ".join(said)
                said = []
        assert not said
        return found

    @property
    def losses(self) -> dict[int, float]:
        """By step; a step that was done twice has its last loss."""
        return {step.step: step.loss for step in self.seen}

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
        folder: Folder | Source = folder,
    ) -> Ran:
        seen: list[TrainingStep | Note] = []
        for stop in [*stops, None]:
            stage = initial(name, recipe.stages[name], recipe.seed, CPU)
            events = train_stage(stage, recipe, folder, Budget(steps=steps), run_folder)
            for event in events:
                seen.append(event)
                if isinstance(event, TrainingStep) and event.step == stop:
                    events.close()
        return Ran(stage, seen, run_folder)

    return run

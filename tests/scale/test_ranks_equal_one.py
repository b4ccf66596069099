"""Two and four ranks equal one rank with the whole batch, over twenty steps; this file is also the program of a rank.

In float32: where products are cast to bfloat16, a last bit is 1 / 256 of a number, and losses part sooner.
"""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import children
import pytest
import torch

from framefall import ranks
from framefall.data.folder import Folder, open_folder
from framefall.models import precision
from framefall.recipes.registry import RECIPES
from framefall.train.loop import Budget, TrainingStep, initial, train_stage

STEPS = 20
STAGES = list(RECIPES["micro"]().stages)


def losses(name: str, folder: Folder, where: Path, batch: int = 4) -> list[float]:
    """Of twenty steps. Super-resolution's loss is a logarithm, whose zero means nothing: of it the ratio is taken."""
    recipe = RECIPES["micro"]()
    recipe = replace(recipe, stages={**recipe.stages, name: replace(recipe.stages[name], batch=batch)})
    stage = initial(name, recipe.stages[name], recipe.seed, torch.device("cpu"))
    events = train_stage(stage, recipe, folder, Budget(steps=STEPS), where)
    found = [event.loss for event in events if isinstance(event, TrainingStep)]
    return [math.exp(one) for one in found] if stage.task.relative_loss else found


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_ranks_equal_one_rank_with_the_whole_batch(
    count: int, clips: Path, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)
    together = children.reports(children.ranks(Path(__file__), count, clips, tmp_path, folder=tmp_path), tmp_path)
    for name in STAGES:
        alone = losses(name, folder, tmp_path / f"alone-{name}")
        for report in together:
            assert report[name] == pytest.approx(alone, rel=1e-6)
    # the control: half of the batch is another training
    assert losses("base", folder, tmp_path / "half", batch=2) != pytest.approx(
        losses("base", folder, tmp_path / "whole"), rel=1e-2
    )


def main() -> None:
    source, where = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    precision.fast_dtype = lambda device: torch.float32
    ranks.join()
    folder = open_folder(source, RECIPES["micro"]().data)
    report = {name: losses(name, folder, where / name) for name in STAGES}
    ranks.leave()
    print(json.dumps(report))


if __name__ == "__main__":
    main()

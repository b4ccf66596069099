"""How much faster more ranks train on this machine: seconds and computing of a step, for 1, 2, 4 ... processes.

python scripts/scaling.py [MOST] [STAGE] [BATCH]

The batch stays what it is, so that each rank does its part of the same step. Efficiency by the clock is the time of one
rank over that of N, divided by N; where others use the machine as well it says little, and the computing of all ranks
together says how much is done twice.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

STEPS = 8  # after two that warm up


def measure(stage_name: str, batch: int, where: Path) -> None:
    """One rank's part of the measurement, which rank 0 writes down."""
    import torch

    from framefall import ranks
    from framefall.recipes.registry import RECIPES
    from framefall.runs.sources import open_source
    from framefall.train.loop import Budget, TrainingStep, initial, train_stage

    torch.set_num_threads(1)
    with ranks.joined():
        recipe = RECIPES["micro"]()
        part = replace(recipe.stages[stage_name], batch=batch)
        recipe = replace(
            recipe, stages={stage_name: part}, data=replace(recipe.data, looks=1, cache=str(where / "cache"))
        )
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        source = open_source(f"fall:{batch}", recipe.data).split("train")
        stage = initial(stage_name, part, 0, device)
        began = worked = 0.0
        for event in train_stage(stage, recipe, source, Budget(steps=STEPS + 2), where / "run"):
            if isinstance(event, TrainingStep) and event.step == 2:
                began, worked = time.monotonic(), time.process_time()
            if isinstance(event, TrainingStep) and event.step == STEPS + 2:
                seconds = (time.monotonic() - began) / STEPS
                computing = sum(map(float, ranks.gather(str((time.process_time() - worked) / STEPS))))
                if ranks.rank() == 0:
                    print(json.dumps({"ranks": ranks.world_size(), "seconds": seconds, "computing": computing}))


def main() -> None:
    """Starts torchrun for each number of ranks and prints a row for each."""
    most, stage, batch = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    found, count = [], 1
    while count <= most:
        with tempfile.TemporaryDirectory() as where:
            run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
            words = [__file__, "--rank", stage, str(batch), where]
            done = subprocess.run([*run, *words], env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE)
        found.append(json.loads(done.stdout))
        one, now = found[0], found[-1]
        clock = one["seconds"] / now["seconds"] / count
        work = one["computing"] / now["computing"]
        print(
            f"{count} ranks: {now['seconds']:.3f} s a step ({clock:.0%} efficient by the clock),"
            f" {now['computing']:.3f} s of computing in all ({work:.0%} of it is what one rank does)"
        )
        count *= 2


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        measure(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        sys.argv += ["2", "base", "16"][len(sys.argv) - 1 :]
        main()

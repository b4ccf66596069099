"""How fast this tree trains beside another checkout: steps of the real loop in turns, CPU time of one thread.

    git worktree add ../before f05b7ab
    python scripts/training_against.py ../before RECIPE STAGE [SECONDS] [KEY=VALUE ...]

Each tree trains in a process of its own, on the world `all`; settings change both trees' recipe (to make networks
equal, say). A step is everything: data, text, network, optimisers, log. A tree that keeps clips has made them before,
and says what that took, once for each clip; in the others every clip is new. Prints JSON: clips a CPU second of both,
and the other's seconds a clip over ours, round by round.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

ROOT = Path(__file__).parents[1]
ROUNDS = 9
CLIPS = 128  # that a tree keeps


def main(other: Path, recipe: str, stage: str, *rest: str) -> None:
    """Both trees' clips a second, side by side."""
    from framefall.bench.speed.timing import ratio, spread

    seconds = float(next((word for word in rest if "=" not in word), "20"))
    settings = [word for word in rest if "=" in word]
    with ExitStack() as stack:
        trees = {"ours": ROOT, "other": other.resolve()}
        workers = {name: stack.enter_context(_started(tree, recipe, stage, settings)) for name, tree in trees.items()}
        about = {name: _answer(worker) for name, worker in workers.items()}
        count = {name: max(1, int(seconds / ROUNDS / _steps(worker, 1))) for name, worker in workers.items()}
        taken: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(ROUNDS):
            for name, worker in workers.items():
                taken[name].append(_steps(worker, count[name]) / count[name] / about[name]["batch"])
        for worker in workers.values():
            worker.kill()
    found: dict[str, Any] = {name: {"commit": _commit(tree), **about[name]} for name, tree in trees.items()}
    for name, times in taken.items():
        found[name]["clips_a_cpu_second"] = spread([1 / one for one in times])
    print(json.dumps({**found, "other_over_ours": ratio(taken["other"], taken["ours"])}, indent=2))


def _started(tree: Path, recipe: str, stage: str, settings: list[str]) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, __file__, "--worker", recipe, stage, *settings]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _steps(worker: "subprocess.Popen[str]", count: int) -> float:
    """CPU seconds of so many steps."""
    assert worker.stdin is not None
    print(count, file=worker.stdin, flush=True)
    return float(_answer(worker))


def _answer(worker: "subprocess.Popen[str]") -> Any:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a tree's process ended (exit code {worker.wait()}); its last words are above")
    return json.loads(line)


def _commit(tree: Path) -> str:
    git = ["git", "-C", str(tree), "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip()


def worker(recipe: str, stage: str, *settings: str) -> None:
    """Says what it trains with, then to each number what so many steps took, until the input ends.

    It runs on either tree: modules that were renamed are looked for under both names.
    """
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    import torch

    torch.set_num_threads(1)
    from framefall.config import override
    from framefall.train.loop import Budget, initial

    registry = _one_of("framefall.recipes.registry", "framefall.recipes.presets")
    loop = _one_of("framefall.train.loop")
    console = _one_of("framefall.cli.console", "framefall.console")
    getattr(console, "keep_memory", lambda: None)()  # as the command does
    chosen = override(registry.RECIPES[recipe](), list(settings))
    part = replace(chosen.stages[stage], image_share=0.0)
    chosen = replace(chosen, stages={stage: part}, save_every=1 << 40, save_minutes=1e9)
    train = getattr(loop, "train_stage", None) or loop.train
    begun = initial(stage, part, chosen.seed, torch.device("cpu"))
    with TemporaryDirectory() as folder:
        source, once = _source(chosen, part, Path(folder) / "cache")
        steps = train(begun, chosen, source, Budget(steps=1 << 40), Path(folder) / "run")
        _take(steps, 3)
        print(json.dumps({"batch": part.batch, "ms_a_clip_once": once}), flush=True)
        for line in sys.stdin:
            began = process_time()
            _take(steps, int(line))
            print(process_time() - began, flush=True)
        steps.close()


def _source(recipe: Any, part: Any, cache: Path) -> tuple[Any, float | None]:
    """The world to train on; and CPU milliseconds a clip that it took to make what is kept of it, if anything is."""
    from framefall.data.loader import batches
    from framefall.train import objective
    from framefall.worlds.world import open_world

    world_source = _one_of("framefall.runs.sources", "framefall.recipes.sources").WorldSource
    shape = {"size": recipe.data.size, "fps": recipe.data.fps}
    try:
        store = import_module("framefall.data.cached.store")
    except ModuleNotFoundError:
        return world_source(open_world("all"), **shape), None
    source = world_source(open_world(f"all:{CLIPS}"), **shape, looks=1, store=store.Store(cache))
    read = batches(
        source, objective.window(part), batch=part.batch, seed=recipe.seed, encoder=objective.encoder(part)
    )  # fmt: skip
    began, made = process_time(), 0
    while made < CLIPS:
        made += len(next(read))
    read.close()
    return source, 1000 * (process_time() - began) / made


def _take(steps: Any, count: int) -> None:
    while count:
        count -= getattr(next(steps), "step", None) is not None  # a note is no step


def _one_of(*names: str) -> Any:
    """The first module of these that there is."""
    for name in names:
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            missing = error
    raise missing


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        worker(*sys.argv[2:])
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])

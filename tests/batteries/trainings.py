"""Trainings: gone on with anywhere, numbers that are not finite, full disks, and writers that race for one model.

    python tests/batteries/trainings.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

COUNT scales all four: resumes (540 places and ways of a run of 60 steps at most), steps that are spoilt, quotas on the
size of files, and races of two processes that publish stages of one model. All train the toy base on a drawn clip.
"""

import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import framefall  # noqa: F401  (before torch: it says how torch's threads wait)

# isort: split
import numpy as np
import torch
from report import Report
from safetensors.torch import load_file, save_file
from torch import Tensor

from framefall import locks, publish
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.saved import checkpoint
from framefall.cascade.saved.checkpoint import load_cascade, save, with_stage
from framefall.cascade.stage import Stage
from framefall.data.clip import Clip
from framefall.data.folder import Folder, FolderConfig, open_folder
from framefall.data.media.writer import write
from framefall.recipes.registry import RECIPES
from framefall.train import loop, objective, resume
from framefall.train.loop import Budget, Diverged, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe, StageRecipe

STEPS = 60
WORKERS, WAYS = (0, 1, 2), ("first", "second", "immediate")
CPU = torch.device("cpu")
_FORK = get_context("fork")


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """All four promises."""
    torch.set_num_threads(1)
    os.environ["FRAMEFALL_CACHE"] = str(folder / "cache")
    source, recipe = _clips(folder / "clips"), _toy()
    return [
        resumes(min(count, 540), folder / "resumes", source, recipe, seed),
        spoilt(max(8, count // 4), folder / "spoilt", source, recipe, seed),
        quotas(max(4, count // 10), folder / "quotas", source, recipe, seed),
        races(max(4, count // 20), folder / "races", recipe),
    ]


def _toy() -> Recipe:
    """The toy with a base of one block, which keeps every step's checkpoint."""
    recipe = RECIPES["micro"]()
    base = recipe.stages["base"]
    backbone = replace(base.stage.backbone, depth=1)  # type: ignore[type-var]
    stages = recipe.stages | {"base": replace(base, stage=replace(base.stage, backbone=backbone))}
    return replace(recipe, stages=stages, save_every=1, keep=2 * STEPS, strip_minutes=math.inf)


def _clips(folder: Path) -> Folder:
    """Two clips of squares that move, so that the run sees several epochs."""
    folder.mkdir(parents=True)
    for number in range(2):
        frames = np.full((48, 32, 40, 3), 40 * number, np.uint8)
        for index, frame in enumerate(frames):
            frame[8 + number : 20, index // 2 : index // 2 + 8] = 220
        write(folder / f"{number}.mkv", [frames], 12.0)
    return open_folder(folder, FolderConfig(size=32, fps=12.0))


def _go(
    run_folder: Path,
    source: Folder,
    recipe: Recipe,
    until: int,
    workers: int = 0,
    loss: loop.Loss = objective.loss,
    steps: int = STEPS,
) -> Stage:
    """Trains, or goes on, up to a step, where the reader leaves."""
    stage = initial("base", recipe.stages["base"], recipe.seed, CPU)
    events = train_stage(stage, replace(recipe, workers=workers), source, Budget(steps=steps), run_folder, loss=loss)
    for event in events:
        if isinstance(event, TrainingStep) and event.step >= until:
            events.close()
    return stage


def _rows(run_folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_folder / "log.jsonl").read_text().splitlines()]


def _state(path: Path) -> tuple[str, dict[str, Any]]:
    """A checkpoint's tensors and numbers, but for the time that it took."""
    numbers = json.loads((path / "state.json").read_text())
    numbers["state"].pop("minutes")
    return publish.sha256(path / "tensors.safetensors"), numbers


# ---------------------------------------------------------------- row 5


def resumes(count: int, folder: Path, source: Folder, recipe: Recipe, seed: int) -> Report:
    """Row 5: from each step, with any number of workers, once, twice, and stopped again at once."""
    whole = folder / "whole"
    _go(whole, source, recipe, STEPS)
    rng, broken, control = random.Random(seed), [], 0
    every = list(product(range(1, STEPS - 1), WORKERS, WAYS))
    chosen = rng.sample(every, min(count, len(every)))
    for number, (k, workers, way) in enumerate(chosen):
        for naive in (False, True) if number < 4 else (False,):
            here = folder / f"{k}-{workers}-{way}-{naive}"
            begun = shutil.copytree(whole / "checkpoints" / f"{k:08d}", here / "checkpoints" / f"{k:08d}")
            if naive:
                _forget(begun)
            stops = {"first": [k + 2], "second": [k + 1, k + 2], "immediate": [k, k + 1, k + 2]}[way]
            for stop in stops:
                if stop == k:  # opened, and left before its first step
                    stage = initial("base", recipe.stages["base"], recipe.seed, CPU)
                    train_stage(stage, recipe, source, Budget(steps=STEPS), here).close()
                    continue
                _go(here, source, recipe, stop, workers)
            ends = [_state(one / "checkpoints" / f"{k + 2:08d}") for one in (here, whole)]
            logged = [row["step"] for row in _rows(here) if "loss" in row]
            same = ends[0] == ends[1] and logged == [k + 1, k + 2]
            control += naive and not same
            broken += [f"step {k}, {workers} workers, {way}"] if not (naive or same) else []
            shutil.rmtree(here)
    return Report(
        name="gone on with anywhere is never stopped",
        promise=f"A run of {STEPS} steps gone on with after any of them has the bits of one that never stopped",
        row=5,
        tried=len(chosen),
        held=len(chosen) - len(broken),
        window="gone on with in the cool-down, in the warm-up, or at an epoch's end",
        hits=sum(k < 10 or k > STEPS * 0.8 or k % 2 == 0 for k, _, _ in chosen),
        least_hits=len(chosen) // 3,
        control="a checkpoint without the optimisers' states",
        control_tried=min(4, len(chosen)),
        control_broke=control,
        broken=tuple(broken),
    )


def _forget(path: Path) -> None:
    """A checkpoint as the first version of many projects has it: weights and a step."""
    tensors = load_file(path / "tensors.safetensors")
    tensors = {name: torch.zeros_like(one) if "optimizer" in name else one for name, one in tensors.items()}
    numbers = (path / "state.json").read_text()
    with publish.folder(path) as partial:
        save_file(tensors, partial / "tensors.safetensors")
        (partial / "state.json").write_text(numbers)


# ---------------------------------------------------------------- row 9


def spoilt(count: int, folder: Path, source: Folder, recipe: Recipe, seed: int) -> Report:
    """Row 9: NaN and infinity in input, loss, gradient, learning rate, at random steps, one to three in a row."""
    rng, broken, stopped, control, control_tried = random.Random(seed), [], 0, 0, 0
    values = (math.nan, math.inf)
    # each place once among the first four, each with the other value among the next
    kinds = [
        (kind, values[(place + again) % 2])
        for again in range(2)
        for place, kind in enumerate(("input", "loss", "gradient", "rate"))
    ]
    for number in range(count):
        kind, value = kinds[number % len(kinds)]
        at, row = rng.randrange(1, 6), 1 + (number % len(kinds) + number // len(kinds)) % 3
        for naive in (False, True) if number < len(kinds) else (False,):
            here = folder / f"{number}-{naive}"
            with _unchecked() if naive else nullcontext(), _spoiling(kind, value, range(at, at + row)) as loss:
                try:
                    _go(here, source, recipe, at + 4, loss=loss, steps=at + 4)
                    ended = False
                except Diverged as error:
                    ended = "finite" in str(error)
            faults = _not_finite(here)
            if naive:
                control_tried, control = control_tried + 1, control + bool(faults)
                continue
            named = [one["step"] for one in _rows(here) if one.get("clips") and all(map(bool, one["clips"]))]
            wanted = [at] if kind == "rate" else list(range(at, at + row))
            stops = kind == "rate" or row == loop.BAD_STEPS
            stopped += ended
            if faults or named != wanted or ended != stops:
                broken.append(f"{value} in {kind} at {at}, {row} in a row: {faults}, named {named}, stopped {ended}")
            shutil.rmtree(here)
    return Report(
        name="numbers that are not finite go nowhere",
        promise="NaN and infinity never enter weights, averages or a checkpoint; their clips are named",
        row=9,
        tried=count,
        held=count - len(broken),
        window="the run was to stop: three in a row, or weights that were lost",
        hits=stopped,
        least_hits=count // 4,
        control="the same loop without its checks",
        control_tried=control_tried,
        control_broke=control,
        broken=tuple(broken),
    )


@contextmanager
def _spoiling(kind: str, value: float, steps: range) -> Iterator[loop.Loss]:
    """A loss that is spoilt at some steps; learning rates are spoilt beside it."""
    whole = loop.optim.rate

    def loss(stage: Stage, part: StageRecipe, clips: list[Clip], seed: int, step: int) -> Tensor:
        handles = []
        if step in steps and kind == "input":
            spoil = lambda _, given: (given[0] * value, *given[1:])  # noqa: E731
            handles.append(stage.backbone.register_forward_pre_hook(spoil))
        losses = objective.loss(stage, part, clips, seed, step)
        for handle in handles:
            handle.remove()
        if step in steps and kind == "loss":
            losses = losses * value
        if step in steps and kind == "gradient":
            losses.register_hook(lambda gradient: gradient * value)
        return losses

    def rate(step: int, progress: float, settings: Any) -> float:
        return value if kind == "rate" and step in steps else whole(step, progress, settings)

    loop.optim.rate = rate
    try:
        yield loss
    finally:
        loop.optim.rate = whole


@contextmanager
def _unchecked() -> Iterator[None]:
    """The loop as everybody writes it first."""
    before = loop.math, loop._finite, resume.stored
    loop.math = SimpleNamespace(isfinite=lambda value: True, nan=math.nan, inf=math.inf)
    loop._finite = lambda network: True
    resume.stored = lambda tensors, dtype, origin: {name: one.detach().clone() for name, one in tensors.items()}
    try:
        yield
    finally:
        loop.math, loop._finite, resume.stored = before


def _not_finite(run_folder: Path) -> list[str]:
    """Names of tensors in checkpoints that are not finite."""
    found = []
    for path in (run_folder / "checkpoints").glob("[0-9]*"):
        tensors = load_file(path / "tensors.safetensors")
        found += [f"{path.name}: {name}" for name, one in tensors.items() if not bool(one.isfinite().all())]
    return found[:3]


# ---------------------------------------------------------------- row 10


def quotas(count: int, folder: Path, source: Folder, recipe: Recipe, seed: int) -> Report:
    """Row 10: files may grow no larger than a quota somewhere between nothing and a whole checkpoint or model."""
    rng, broken, hits, control = random.Random(seed), [], 0, 0
    recipe, begun = replace(recipe, keep=2), folder / "begun"
    _go(begun, source, recipe, 2)
    whole = shutil.copytree(begun, folder / "whole")
    _go(whole, source, recipe, 5)
    sizes = [one.stat().st_size for one in (begun / "checkpoints" / "00000002").iterdir()]
    for number in range(count):
        size = sizes[number % len(sizes)]
        quota = rng.randrange(max(1, size // 50), size)
        here = shutil.copytree(begun, folder / str(number))
        child = _FORK.Process(target=_within, args=(quota, partial(_go, here, source, recipe, 5), folder / "said"))
        child.start()
        child.join(120)
        said = (folder / "said").read_text()
        hits += "cannot be written" in said
        newest = max((here / "checkpoints").glob("[0-9]*"))
        faults = [] if child.exitcode == 1 and said.count("\n") == 0 else [f"exit {child.exitcode}: {said[:200]}"]
        faults += [] if _sound(newest) else [f"{newest} is damaged"]
        faults += [f"left {one.name}" for one in here.rglob(".*")]
        _go(here, source, recipe, 5)  # there is room again
        ends = [_state(one / "checkpoints" / "00000005")[0] for one in (here, whole)]
        faults += [] if ends[0] == ends[1] else ["it went on to other bits"]
        broken += [f"quota {quota}: {'; '.join(faults)}"] if faults else []
        shutil.rmtree(here)
        naive = shutil.copytree(begun, folder / f"{number}-naive") / "checkpoints" / "00000002"
        child = _FORK.Process(target=_within, args=(quota, partial(_in_place, naive), folder / "said"))
        child.start()
        child.join(120)
        control += not _sound(naive)
        shutil.rmtree(naive.parents[1])
    return Report(
        name="a full disk loses nothing that was learnt",
        promise="A training whose disk is full ends with a sentence, its last checkpoint whole; it goes on with room",
        row=10,
        tried=count,
        held=count - len(broken),
        window="the quota was met inside a checkpoint",
        hits=hits,
        least_hits=count // 4,
        control="the checkpoint written over the one before",
        control_tried=count,
        control_broke=control,
        broken=tuple(broken),
    )


def _within(quota: int, work: Callable[[], object], said: Path) -> None:
    """Does the work with small files alone; what goes wrong is said as the command line says it."""
    from framefall.cli import _sentence

    said.write_text("")
    descriptor = os.open(said, os.O_WRONLY)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (quota, quota))
    try:
        work()
    except (ValueError, OSError, RuntimeError) as error:
        os.write(descriptor, _sentence(error).encode()[:quota])
        os._exit(1)
    except BaseException as error:
        os.write(descriptor, f"traceback: {type(error).__name__}".encode()[:quota])
        os._exit(2)
    os._exit(0)


def _in_place(path: Path) -> None:
    """The same bytes written anew, under the same names."""
    for name in ("state.json", "tensors.safetensors"):
        data = (path / name).read_bytes()
        (path / name).write_bytes(data)


def _sound(path: Path) -> bool:
    try:
        publish.verify(path)
    except publish.Corrupt:
        return False
    return True


# ---------------------------------------------------------------- two writers of one model


def races(count: int, folder: Path, recipe: Recipe) -> Report:
    """Two processes publish different stages of one model at the same moment."""
    stages = {
        name: initial(name, part, 0, CPU) for name, part in recipe.stages.items() if name in ("base", "temporal_sr")
    }
    config = CascadeConfig(name="m", stages={name: part.stage for name, part in recipe.stages.items()})
    third = initial("spatial_sr", recipe.stages["spatial_sr"], 0, CPU)
    found = {}
    for naive in (False, True):
        here = folder / str(naive)
        here.mkdir(parents=True)
        for number in range(count):
            alone = replace(config, stages={"spatial_sr": third.config})
            save(Cascade(config=alone, stages=(third,)), here / str(number))
        barrier = _FORK.Barrier(len(stages))
        children = [
            _FORK.Process(target=_publishing, args=(one, config, here, count, barrier, naive))
            for one in stages.values()
        ]
        for child in children:
            child.start()
        for child in children:
            child.join(600)
        models = [here / str(number) for number in range(count)]
        bytes_ = checkpoint.stored(third.backbone.state_dict(), torch.float32, "x")
        found[naive] = [
            _sound(model)
            and [stage.name for stage in load_cascade(model).stages] == ["base", "temporal_sr", "spatial_sr"]
            and all(torch.equal(one, bytes_[name]) for name, one in load_file(model / "spatial_sr.safetensors").items())
            and all(child.exitcode == 0 for child in children)
            for model in models
        ]  # fmt: skip
        if not naive:
            left = [one.name for one in here.rglob(".*")]
    return Report(
        name="writers that race for one model lose nothing",
        promise="Stages of one model that are published at the same moment are all there, and so is what was there",
        row=20,
        tried=count,
        held=0 if left else sum(found[False]),
        window="both began at the same moment",
        hits=count,
        least_hits=count,
        control="the same without taking turns",
        control_tried=count,
        control_broke=found[True].count(False),
        broken=tuple(left),
    )


def _publishing(stage: Stage, config: CascadeConfig, folder: Path, count: int, barrier: Any, naive: bool) -> None:
    torch.set_num_threads(1)
    if naive:
        locks.in_turn = lambda _: nullcontext()  # type: ignore[assignment]
    for number in range(count):
        barrier.wait(120)
        with_stage(folder / str(number), stage.name, stage, config, torch.float32)
    os._exit(0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        reports = run(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(place))
    print(json.dumps([report.json() for report in reports], indent=2))
    sys.exit(0 if all(report.passed for report in reports) else 1)

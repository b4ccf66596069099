"""What a step of training costs beside its matrix products: the real loop on a world, one thread, by CPU time.

A step is all that `train_stage` does between two of its events: clips and the states of their captions read, noise and
targets, the network forward and backward, clipping, optimisers, averaged weights, the line in the log. The floor is
the operations of the network alone, both ways, counted one by one, at the rate of a large matrix product in the number
format that the network computes in; the product takes turns with the steps. Clips are made and captions encoded once,
before, as training keeps them: what that takes stands apart.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import torch

from framefall.bench.speed.timing import ROUNDS, cpu_seconds, flop_counter, product, ratio, spread
from framefall.cascade.stage import Stage
from framefall.config import override
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.data.loader import Source, batches
from framefall.models.precision import autocast, fast_dtype
from framefall.progress import Events, Stepped, operation
from framefall.recipes.presets import PRESETS
from framefall.runs.sources import open_source
from framefall.runs.training.train import named
from framefall.train import objective
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe, StageRecipe
from framefall.video import Scores

PARTS = ("data", "text", "objective", "network", "optimiser")  # of a step, in the order in which they come
CLIPS = 128  # of the world that every recipe trains on here
_WARM = 2  # steps before anything is timed
_COUNTED = 3  # batches whose operations are counted: they differ by how long their captions are


@operation
def train_bench(
    recipe: str | None = None,
    stage: str | None = None,
    settings: Sequence[str] = (),
    seconds: float = 5.0,
    rounds: int = ROUNDS,
) -> Events[dict[str, Any]]:
    """Each stage of a recipe, or of every preset: a step over its floor, clips a second, and what takes which share.

    All train on the world `all`, so that no folder is needed, on clips and never on single images. A stage has about
    `seconds` of steps in all, and at least one step a round. `settings` change the recipe, as `framefall train --set`.
    """
    recipes = {name: override(named(name), list(settings)) for name in ([recipe] if recipe is not None else PRESETS)}
    chosen = [(name, part) for name, one in recipes.items() for part in one.stages if stage in (None, part)]
    if not chosen:
        known = ", ".join(dict.fromkeys(part for one in recipes.values() for part in one.stages))
        raise ValueError(f"--stage must be one of {known}; got {stage!r}")
    results: dict[str, dict[str, Any]] = {}
    ratios: dict[str, dict[str, Any]] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for done, (name, part) in enumerate(chosen):
            yield Stepped(done, len(chosen), f"{name} {part}")
            unseen = replace(recipes[name], seed=done)  # or captions of the stage before were remembered
            row, over = measured(unseen, part, seconds, rounds)
            results.setdefault(name, {})[part] = row
            ratios.setdefault(name, {})[part] = over
    finally:
        torch.set_num_threads(threads)
    return {"results": results, "ratios": {"step_over_matmul_floor": ratios}}


def measured(
    recipe: Recipe, name: str, seconds: float, rounds: int = ROUNDS
) -> tuple[dict[str, Any], dict[str, float]]:
    """A stage's figures, and its step over its floor."""
    dtype = fast_dtype(torch.device("cpu"))
    multiply, operations = product(dtype)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        source = open_source(f"all:{CLIPS}", replace(recipe.data, cache=str(folder / "cache"), looks=1))
        once = make(source, recipe.stages[name], recipe.seed)
        steps = stack.enter_context(closing(Steps(recipe, name, source, folder / "run")))
        steps.take(_WARM)
        count = max(1, int(seconds / rounds / steps.take(1)))
        multiply()
        steps.clock.forget()
        taken, products = [], []
        for _ in range(rounds):
            taken.append(steps.take(count) / count)
            products.append(cpu_seconds(multiply))
            if len(steps.kept) < _COUNTED:
                steps.keep()
    part = recipe.stages[name]
    flops = sum(network_flops(steps.stage, part, *batch) for batch in steps.kept) / len(steps.kept)
    whole = sum(steps.clock.seconds.values())
    row = {
        "batch": part.batch,
        "format": str(dtype).removeprefix("torch."),
        "network_gflops_a_clip": flops / part.batch / 1e9,
        "matmul_gflops_a_second": spread([operations / one / 1e9 for one in products]),
        "ms_a_clip": spread([1000 * one / part.batch for one in taken]),
        "ms_a_clip_once": 1000 * once,
        "clips_a_cpu_second": spread([part.batch / one for one in taken]),
        "share": {each: steps.clock.seconds[each] / whole for each in PARTS},
    }
    return row, ratio(taken, [one * flops / operations for one in products])


def make(source: Folder | Source, part: StageRecipe, seed: int) -> float:
    """Makes the clips of a stage and the states of their captions, to be kept; CPU seconds of one."""
    began, made = process_time(), 0
    window = objective.window(replace(part, image_share=0.0))
    with closing(batches(source, window, batch=part.batch, seed=seed, encoder=objective.encoder(part))) as clips:
        while made < CLIPS:
            made += len(next(clips))
    return (process_time() - began) / made


Batch = tuple[Sequence[Clip], int, int]  # clips, seed and step, as a loss is asked for


class Steps:
    """The training of a stage, step by step, with a clock at its seams."""

    def __init__(self, recipe: Recipe, name: str, source: Folder | Source, folder: Path) -> None:
        part = replace(recipe.stages[name], image_share=0.0)
        endless = replace(
            recipe, stages={name: part}, save_every=1 << 40, save_minutes=1e9  # a checkpoint is no part of a step
        )  # fmt: skip
        plain = initial(name, part, recipe.seed, torch.device("cpu"))
        self.clock, self.kept = Clock(), list[Batch]()
        self.stage: Stage = watched(plain, self.clock.during)
        self._newest: Batch | None = None
        weights = plain.backbone.parameters()
        self._hooks = [one.register_post_accumulate_grad_hook(lambda _: self.clock.back()) for one in weights]
        budget = Budget(steps=1 << 40)
        self._loop = train_stage(self.stage, endless, source, budget, folder, loss=self._loss)

    def take(self, count: int) -> float:
        """Takes so many steps; CPU seconds of all of them."""
        began = process_time()
        for _ in range(count):
            self.clock.start()
            while not isinstance(next(self._loop), TrainingStep):
                pass
            self.clock.stop()
        return process_time() - began

    def keep(self) -> None:
        """Remembers the newest batch, to count its operations."""
        assert self._newest is not None
        self.kept.append(self._newest)

    def close(self) -> None:
        """Ends the training."""
        self._loop.close()  # type: ignore[attr-defined]
        for hook in self._hooks:
            hook.remove()

    def _loss(self, stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> Scores:
        self._newest = clips, seed, step
        with self.clock.loss():
            return objective.loss(stage, recipe, clips, seed, step)


@dataclass
class Clock:
    """CPU seconds of each part of the steps, taken at the marks where one part hands over to the next."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    _mark: float = 0.0  # up to where everything is accounted for
    _first: bool = True  # what comes before the first loss of a step is its data

    def forget(self) -> None:
        """Begins to count anew."""
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def start(self) -> None:
        """A step begins, with its data."""
        self._mark, self._first = process_time(), True

    def stop(self) -> None:
        """A step is done: what came after the backward pass was the optimiser's."""
        self._pass("optimiser")

    def back(self) -> None:
        """A gradient is complete, and with the last one the backward pass."""
        self._pass("network")

    @contextmanager
    def loss(self) -> Iterator[None]:
        """The loss of a batch, or of a part of it."""
        self._pass("data" if self._first else "network")
        self._first = False
        yield
        self._pass("objective")

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """A part inside of the loss."""
        self._pass("objective")
        yield
        self._pass(name)

    def _pass(self, name: str) -> None:
        now = process_time()
        self.seconds[name] += now - self._mark
        self._mark = now


Watch = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _WatchedStage(Stage):
    watch: Watch

    def condition(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch("text"):
            return super().condition(*args, **kwargs)

    def x0(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch("network"):
            return super().x0(*args, **kwargs)


def watched(stage: Stage, watch: Watch) -> Stage:
    """The same stage; `watch("text")` is entered while it reads captions, `watch("network")` while its network runs."""
    return _WatchedStage(name=stage.name, config=stage.config, backbone=stage.backbone, codec=stage.codec, watch=watch)


def network_flops(stage: Stage, recipe: StageRecipe, clips: Sequence[Clip], seed: int, step: int) -> int:
    """Operations of the network for the loss of a batch, forward and backward, each product counted as it is done."""
    forward, backward = flop_counter(), flop_counter()
    counted = watched(stage, lambda name: forward if name == "network" else nullcontext())
    with autocast(stage.device):
        loss = objective.loss(counted, recipe, clips, seed, step).mean()
    with backward:
        loss.backward()
    for parameter in stage.backbone.parameters():
        parameter.grad = None
    return int(forward.get_total_flops() + backward.get_total_flops())

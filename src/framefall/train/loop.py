"""The training loop of one stage: a generator of progress, resumable bit for bit."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from framefall import ranks
from framefall.cascade.codec import build_codec
from framefall.cascade.stage import Stage
from framefall.config import to_dict
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.models.precision import autocast
from framefall.models.registry import build
from framefall.noise import Key
from framefall.progress import Note, Stepped
from framefall.train import objective, optim, resume
from framefall.train.held_out import HeldOut, HeldOutLoss, Loss, Trainee, Watch, averaged
from framefall.train.journal import Journal
from framefall.train.recipe import Recipe, StageRecipe
from framefall.train.sharding import gathered, is_split, local

BAD_STEPS = 3  # in a row end a run


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to train: whichever of the two is given first comes true."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.steps, self.minutes) if value is not None]
        if not given or not all(value > 0 and math.isfinite(value) for value in given):
            raise ValueError(f"steps and minutes must be above 0, got steps={self.steps}, minutes={self.minutes}")

    def progress(self, state: resume.State) -> float:
        """How much of the run is done, 0..1."""
        by_steps = state.step / self.steps if self.steps else 0.0
        by_minutes = state.minutes / self.minutes if self.minutes else 0.0
        return min(1.0, max(by_steps, by_minutes))


@dataclass(frozen=True)
class TrainingStep(Stepped):
    """One step of one stage; `done` of 1 is how much of its budget is spent."""

    stage: str
    step: int
    loss: float
    rate: float  # clips a second


class Diverged(RuntimeError):
    """Three steps in a row were not finite, or one made weights of which that is true. Nothing is published of it."""


def initial(name: str, recipe: StageRecipe, seed: int, device: torch.device) -> Stage:
    """A stage with fresh weights, which depend on the seed and the stage's name alone.

    A network that is to be split stays on the CPU until it is (`sharding.split`): whole it may be too large.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Key(seed, "init", name).word() >> 1)
        backbone, codec = build(recipe.stage.backbone), build_codec(recipe.stage.latent)
    if codec.autoencoder is not None:
        codec.autoencoder.to(device)
    home = torch.device("cpu") if recipe.sharding == "full" and ranks.world_size() > 1 else device
    return Stage(name=name, config=recipe.stage, backbone=backbone.to(home), codec=codec)


def train_stage(
    stage: Trainee,
    recipe: Recipe,
    source: Folder | Source,
    budget: Budget,
    run_folder: Path,
    strip: Callable[[Any, int], None] | None = None,
    loss: Loss = objective.loss,
    held_out: HeldOut | None = None,
) -> Iterator[TrainingStep | Note]:
    """Trains `stage` in place until the budget is spent; at the end its weights are the averaged ones.

    Goes on from the newest whole checkpoint under `run_folder`. A step whose loss or gradient is not
    finite changes nothing but the count of such steps; three in a row raise `Diverged`, and so does a step after which
    a weight is not finite, or an end at which nothing has been learnt. What the averaged weights
    make of `held_out` is measured now and then and at the end (`HeldOutLoss`), and drawn by `strip`; neither moves a
    bit of the training, and neither counts as training time. Closed after a `TrainingStep`, it saves that step first.
    """
    part = recipe.stages[stage.name]
    network, state = stage.backbone.train(), resume.State()
    split = is_split(network)  # every rank must then take part whenever it computes
    average = optim.AveragedWeights(network, part.optim.ema_width)
    optimizers = optim.optimizers(network, part.optim)
    run = resume.Run(network, average, optimizers, state, identity(recipe, stage.name, source))
    damaged = resume.restore(run_folder / "checkpoints", run)
    said: list[str] = []
    clips = loader.batches(
        source,
        objective.window(part),
        batch=part.batch,
        seed=recipe.seed,
        start=state.step,
        rank=ranks.rank(),
        world_size=ranks.world_size(),
        workers=recipe.workers,
        encoder=objective.encoder(part, stage.tower if isinstance(stage, Stage) else None),
        say=said.append,
    )
    if recipe.compile:
        network.compile()
    watch, first, kept = None, state.step, state.step
    if held_out and (split or ranks.rank() == 0):
        watch = Watch(held_out, part, recipe.seed, loss, run_folder / "log.jsonl", first)
    saved = stripped = began = time.monotonic()
    with Journal(run_folder, state.step) as journal, closing(clips):
        for sentence in damaged:
            journal.write(state.step, note=sentence)
            yield Note(sentence)
        while (progress := ranks.agree([budget.progress(state)])[0]) < 1.0:
            batch = next(clips)
            while said:
                yield Note(said.pop(0))
            optim.set_rates(optimizers, optim.rate(state.step, progress, part.optim))
            value, norm = _accumulate(stage, part, batch, recipe.seed, state.step, loss)
            if math.isfinite(value) and math.isfinite(norm):
                for one in optimizers:
                    one.step()
                if not _finite(network):
                    raise Diverged(_lost(stage.name, state.step, batch, journal))
                average.update(network)
                state.bad_steps = 0
            else:
                yield Note(_skip(state, batch, journal))
            for one in optimizers:
                one.zero_grad(set_to_none=True)
            state.step += 1
            now = time.monotonic()
            state.minutes, seconds, began = state.minutes + (now - began) / 60, now - began, now
            rate = part.batch / max(seconds, 1e-9)
            journal.write(
                state.step,
                loss=value,
                gradient=norm,
                clips_a_second=rate,
                learning_rate=optimizers[0].param_groups[0]["lr"],
            )
            due = state.step % recipe.save_every == 0 or now - saved > 60 * recipe.save_minutes
            if state.bad_steps:  # what is on disk is at least as good; the end is kept, so that one can go on behind it
                due = state.bad_steps >= BAD_STEPS and _finite(network)
            if bool(ranks.agree([float(due)])[0]):
                resume.save(run_folder / "checkpoints", run, recipe.keep)
                saved, kept = now, state.step
            if state.bad_steps >= BAD_STEPS:
                names = ", ".join(clip.key for clip in batch)
                raise Diverged(
                    f"{BAD_STEPS} steps in a row were not finite, the last with {names};"
                    " lower the learning rates or remove them"
                )
            if watch and _agreed(watch.due(state.minutes, seconds), split):
                with averaged(network, average.tensors):
                    found = _measure(watch, stage, part, state, budget, journal)
                if ranks.rank() == 0:
                    yield found
                began = time.monotonic()  # time spent looking is not training
            if strip and _agreed(now - stripped > 60 * recipe.strip_minutes, split):
                with averaged(network, average.tensors):
                    strip(stage, state.step)
                began = stripped = time.monotonic()
            what = f"{stage.name} step {state.step}, loss {value:.4f}"
            try:
                yield TrainingStep(budget.progress(state), 1.0, what, stage.name, state.step, value, rate)
            except (GeneratorExit, KeyboardInterrupt):  # whoever stops it here loses no step
                if state.step > kept and not state.bad_steps and ranks.world_size() == 1:
                    resume.save(run_folder / "checkpoints", run, recipe.keep)
                raise
        if not average.updates:
            raise Diverged(
                f"none of {state.step} steps of {stage.name} was finite, and nothing has been learnt;"
                f" remove clips that are not, or lower the learning rates"
            )
        resume.save(run_folder / "checkpoints", run, recipe.keep)
        network.load_state_dict(average.tensors)
        network.eval()
        # a kill may have come between
        if watch and _agreed(state.step > first or state.step not in watch.before, split):
            if state.step not in watch.before:  # it was not due just now
                found = _measure(watch, stage, part, state, budget, journal)
                if ranks.rank() == 0:
                    yield found
            if not math.isfinite(found.loss):
                raise Diverged(
                    f"the averaged weights of {stage.name} make nothing that is finite at step {state.step}; begin"
                    " again at lower learning rates"
                )
    if strip and (split or ranks.rank() == 0):
        strip(stage, state.step)


def _agreed(wanted: bool, split: bool) -> bool:
    """Whether this rank looks at what has been learnt: rank 0 when it wants to, and all with it if they must."""
    if split:
        return bool(ranks.agree([float(wanted)])[0])
    return wanted and ranks.rank() == 0


def identity(recipe: Recipe, stage: str, source: Folder | Source) -> dict[str, object]:
    """What must be the same for a checkpoint to be gone on from."""
    part = to_dict(recipe.stages[stage])
    for free in ("steps", "share", "accumulate", "sharding"):
        part.pop(free)
    for free in ("fast", "best"):  # how it will be sampled changes no weight
        part["stage"].pop(free)
    return {"stage": stage, "recipe": part, "seed": recipe.seed, "data": source.fingerprint, "torch": torch.__version__}


def _accumulate(
    stage: Trainee, part: StageRecipe, batch: list[Clip], seed: int, step: int, loss: Loss
) -> tuple[float, float]:
    """Gradients of the batch's mean loss, clipped; gives the loss and the norm before clipping.

    A loss that is not finite has none, on any rank: a gradient of NaN as a place to read from ends the process.
    """
    size, total, split = -(-len(batch) // part.accumulate), 0.0, is_split(stage.backbone)
    for first in range(0, len(batch), size):
        with autocast(stage.device):
            losses = loss(stage, part, batch[first : first + size], seed, step)
        share = losses.sum() / len(batch)
        total += float(share.detach())
        if not _everywhere(math.isfinite(total), split):
            total = math.nan if math.isfinite(total) else total
            break
        share.backward()
    mean = torch.tensor([total], device=stage.device)  # where the ranks' messages travel
    ranks.average_([mean])
    if not math.isfinite(float(mean)):
        return float(mean), math.nan
    if not split:  # or else they are averaged already, row by row
        ranks.average_(optim.gradients(stage.backbone))
    norm = nn.utils.clip_grad_norm_(stage.backbone.parameters(), part.optim.clip_norm)
    return float(mean), float(gathered(norm))


def _everywhere(true: bool, split: bool) -> bool:
    """Whether it is true here; of a network that is split, on every rank."""
    return ranks.all_of(true) if split else true


def _finite(network: nn.Module) -> bool:
    """Whether all weights are: their sums are but for an overflow, and cost next to nothing beside a step."""
    tensors = [local(one.detach()) for one in network.state_dict().values() if one.is_floating_point()]
    finite = bool(torch.stack([one.sum().float() for one in tensors]).isfinite().all())
    finite = finite or all(bool(one.isfinite().all()) for one in tensors)
    return _everywhere(finite, is_split(network))


def _lost(stage: str, step: int, batch: list[Clip], journal: Journal) -> str:
    names = list(dict.fromkeys(clip.key for clip in batch))
    journal.write(step, note="made weights that are not finite", clips=names)
    return (
        f"step {step} of {stage} made weights that are not finite, of {', '.join(names)}; nothing of it is kept: begin"
        " again, or with --init from the last good model, at lower learning rates"
    )


def _skip(state: resume.State, batch: list, journal: Journal) -> str:  # type: ignore[type-arg]
    names = [clip.key for clip in batch]
    state.bad_steps += 1
    state.skipped.append({"step": state.step, "clips": names})
    journal.write(state.step, note="not finite, skipped", clips=names)
    return f"step {state.step} was not finite and was skipped; its clips: {', '.join(names)}"


def _measure(
    watch: Watch, stage: Trainee, part: StageRecipe, state: resume.State, budget: Budget, journal: Journal
) -> HeldOutLoss:
    """Measures and writes it down; the network carries its averaged weights."""
    cooling = budget.progress(state) > 1.0 - part.optim.cooldown
    found, numbers = watch.measure(stage, state.step, state.minutes, cooling)
    journal.write(state.step, **numbers)
    return found

"""What a training's budget buys, found out before its first step: a few steps of throw-away networks are timed."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import torch
from torch import nn

from framefall import ranks
from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import read_config
from framefall.cascade.stage_config import StageConfig
from framefall.data import loader
from framefall.data.folder import Folder
from framefall.data.loader import ClipStream, Source
from framefall.models.precision import autocast
from framefall.models.registry import build
from framefall.recipes.presets import PRESETS
from framefall.runs.sources import WorldSource
from framefall.train import objective, optim, sharding
from framefall.train.loop import Budget, initial
from framefall.train.outlook import BY_HEART, Outlook, forecast, needed, span
from framefall.train.recipe import Recipe, StageRecipe
from framefall.train.resume import State
from framefall.weights import SHIPPED

TRIAL = 4  # clips that are timed, after one that warms up: a first pass loads and compiles what the others use
PATIENCE = 3.0  # seconds of that first pass: where it takes longer only one more clip is timed
WORLDS = "worlds"  # the recipe and the shipped model that are for simulated worlds alone
SURELY = 3.0  # times: what was timed on a machine that was busy for a moment is no reason to refuse
NOT_WORTH_TIMING = 8  # steps: timing would take as long


def step_seconds(name: str, recipe: Recipe, source: Folder | Source, device: str | torch.device) -> float:
    """Seconds of a training step of a stage, timed on real clips and a network that is thrown away.

    Some clips of a batch are timed and counted as often as the batch has them; reading and the optimiser are timed
    whole. Nothing that training uses is touched. Clips and captions that are kept from earlier, workers and
    compiling make training faster than this.
    """
    part = recipe.stages[name]
    stage = initial(name, part, recipe.seed, torch.device(device))
    if part.sharding == "full":
        sharding.split(stage.backbone, torch.device(device))
    network = stage.backbone.train()
    average, optimizers = optim.AveragedWeights(network, part.optim.ema_width), optim.optimizers(network, part.optim)
    optim.set_rates(optimizers, 0.0)
    source = replace(source, store=None) if isinstance(source, WorldSource) else source  # what is kept costs nothing
    seconds, size = math.inf, 1
    with closing(
        loader.batches(
            source,
            objective.window(part),
            batch=part.batch,
            seed=recipe.seed,
            rank=ranks.rank(),
            world_size=ranks.world_size(),
        )
    ) as clips:
        for trial in range(2):
            began = time.monotonic()
            batch = next(clips)
            read = time.monotonic()
            some = batch[:size]
            with autocast(stage.device):
                loss = objective.loss(stage, part, some, recipe.seed, trial).mean()
            loss.backward()
            float(loss.detach())  # a GPU is waited for
            passed = time.monotonic()
            float(nn.utils.clip_grad_norm_(network.parameters(), part.optim.clip_norm))
            for one in optimizers:
                one.step()
                one.zero_grad(set_to_none=True)
            average.update(network)
            if stage.device.type == "cuda":
                torch.cuda.synchronize(stage.device)
            ended = time.monotonic()
            seconds = (read - began) + (passed - read) * len(batch) / len(some) + (ended - passed)
            size = TRIAL if ended - began < PATIENCE else 1
    return seconds


def pieces(source: Folder | Source, part: StageRecipe, seed: int) -> int | None:
    """How many different clips the source has for a stage: parts of shots, or scenes; None where it does not say."""
    if isinstance(source, WorldSource):
        return source.world.size * source.looks
    if not isinstance(source, Folder):
        return None
    videos, images = loader.streams(source, objective.window(part), seed)
    stream = videos or images
    if isinstance(stream, loader.Buckets):
        return sum(len(one.entries) for one in stream.streams)
    return len(stream.entries) if isinstance(stream, ClipStream) else None


def outlook(
    name: str,
    recipe: Recipe,
    source: Folder | Source,
    budget: Budget,
    device: str | torch.device,
    *,
    before: State | None = None,
    started: bool = False,
) -> Outlook:
    """What `budget` buys a stage, `before` being where its earlier sessions have come to."""
    part, before = recipe.stages[name], before or State()
    steps = math.inf if budget.steps is None else max(0, budget.steps - before.step)
    seconds = None
    if steps > NOT_WORTH_TIMING:
        seconds = ranks.agree([step_seconds(name, recipe, source, device)])[0]
    if budget.minutes is not None and seconds is not None:
        left = budget.minutes - before.minutes
        steps = min(steps, max(1.0, left * 60 / seconds) if left > 0 else 0)  # one that is begun is finished
    return Outlook(
        stage=name,
        kind=part.stage.task.kind,
        batch=part.batch,
        steps=int(steps),
        done=before.step,
        seconds=seconds,
        pieces=pieces(source, part, recipe.seed),
        started=started,
    )


def check(recipe: Recipe, outlooks: Mapping[str, Outlook], minutes: float | None) -> None:
    """Refuses minutes that surely do not last for a step of each stage."""
    need = _minutes(recipe, {name: one.seconds for name, one in outlooks.items() if one.seconds is not None})
    for name, least in need.items():
        if minutes is not None and not outlooks[name].done and least > SURELY * minutes:
            raise ValueError(
                f"the minutes must last for a step of each stage, and one of {name} takes"
                f" {span((outlooks[name].seconds or 0) / 60)}; got {minutes:g}, give at least {max(need.values()):.2g}"
            )


def said(recipe: Recipe, outlooks: Mapping[str, Outlook], remedy: str) -> Iterator[str]:
    """What the budget buys, in a sentence, and a warning where that cannot make a picture."""
    yield f"{recipe.name}: " + "; ".join(one.said() for one in outlooks.values())
    short = [verdict.because for one in outlooks.values() if not (verdict := forecast(one)).enough]
    if short:
        yield f"this is not enough: {'; '.join(short)}: {remedy}"
    by_heart = [one for one in outlooks.values() if one.pieces and one.clips >= BY_HEART * one.pieces]
    if by_heart:
        yield (
            f"{by_heart[0].stage} will see each of its {by_heart[0].pieces:,} pieces {BY_HEART:,} times or more, know"
            " them by heart and little else: more clips would help more than more time"
        )


def remedies(
    recipe: Recipe,
    outlooks: Sequence[Outlook],
    source: Folder | Source,
    *,
    minutes: float | None,
    device: str | torch.device,
    init: Cascade | None = None,
) -> str:
    """What to change where a budget cannot make a picture, as the end of a sentence: more of it, less to do, a start.

    Nothing where it can. Smaller recipes are timed as the chosen one was.
    """
    if all(forecast(one).enough for one in outlooks):
        return ""
    names = [one.stage for one in outlooks]
    found = list(_more(recipe, outlooks, minutes))
    short = [one for one in outlooks if not forecast(one).enough]
    if minutes is not None and len(names) > 1 and len(short) == 1 and (seconds := short[0].seconds):
        alone = minutes * 60 / seconds * short[0].batch
        if alone >= needed(short[0].kind, short[0].pieces):
            found.append(f"all the time for one stage (--stage {short[0].stage})")
    if minutes is not None:
        found += _smaller(recipe, {one.stage: one for one in outlooks}, source, minutes, device)
    if init is None and (start := _start(recipe, names, source)):
        found.append(f"{start}, whose weights are trained already")
    return "take " + ", or ".join(found)


def _more(recipe: Recipe, outlooks: Sequence[Outlook], minutes: float | None) -> Iterator[str]:
    """More of the same: the minutes, or the steps, that all stages together need."""
    steps = max(math.ceil(needed(one.kind, one.pieces) / one.batch) for one in outlooks)
    if minutes is None:
        yield f"--steps {_up(steps)}"
        return
    known = {one.stage: one for one in outlooks}
    need = minutes_needed(recipe, {name: one.seconds for name, one in known.items() if one.seconds}, known)
    yield f"--minutes {_up(need)}"


def minutes_needed(recipe: Recipe, seconds: Mapping[str, float], outlooks: Mapping[str, Outlook]) -> float:
    """Minutes that give each stage the clips it needs, by the seconds of its step and its share."""
    clips = {name: needed(outlooks[name].kind, outlooks[name].pieces) for name in seconds}
    times = {name: seconds[name] * clips[name] / recipe.stages[name].batch for name in seconds}
    return max(_minutes(recipe, times).values())


def _minutes(recipe: Recipe, seconds: Mapping[str, float]) -> dict[str, float]:
    """Minutes in all of which a stage's share lasts for its seconds, by stage; half a share is an autoencoder's."""
    parts = {name: recipe.stages[name] for name in seconds}
    total = sum(part.share for part in parts.values())
    return {
        name: seconds[name] / 60 * total / part.share * (1 if part.stage.latent is None else 2)
        for name, part in parts.items()
    }


def _smaller(
    recipe: Recipe,
    outlooks: Mapping[str, Outlook],
    source: Folder | Source,
    minutes: float,
    device: str | torch.device,
) -> Iterator[str]:
    """Recipes of the same stages that need less, down to the first that the given minutes are enough for.

    None where steps are so slow, or the machine is so busy, that timing them would keep the training waiting.
    """
    names = list(outlooks)
    if sum(TRIAL * one.seconds / one.batch for one in outlooks.values() if one.seconds) > PATIENCE:
        return
    own = _size(recipe, names)
    known = (make() for name, make in PRESETS.items() if name != WORLDS or isinstance(source, WorldSource))
    smaller = [one for one in known if set(names) <= set(one.stages) and _size(one, names) < 0.8 * own]
    for one in sorted(smaller, key=lambda one: -_size(one, names)):
        try:
            seconds = {name: step_seconds(name, one, source, device) for name in names}
        except ValueError:  # these clips are none for it
            continue
        need = minutes_needed(one, seconds, outlooks)
        largest = max(part.stage.shape.width for part in one.stages.values())
        toy = f", a toy of {largest} pixels" if largest < 64 else ""
        if need <= minutes:
            yield f"--recipe {one.name}{toy}, for which this time is enough"
            return
        yield f"--recipe {one.name} --minutes {_up(need)}{toy}"


def _size(recipe: Recipe, names: Sequence[str]) -> float:
    """Pixels of the stages' clips times their networks' weights: enough to put recipes in order."""
    total = 0
    for name in names:
        config = recipe.stages[name].stage
        with torch.device("meta"):
            weights = sum(one.numel() for one in build(config.backbone).parameters())
        total += weights * config.shape.frames * config.shape.height * config.shape.width
    return total


def _start(recipe: Recipe, names: Sequence[str], source: Folder | Source) -> str | None:
    """A shipped model, as options, whose networks this recipe or the one of its name has for all of these stages."""
    for path in sorted(SHIPPED.glob("*/config.json")):
        name, stages = path.parent.name, read_config(path).stages
        if (name == WORLDS) != isinstance(source, WorldSource):
            continue
        if _fits(recipe, stages, names):
            return f"--init {name}"
        if name in PRESETS and _fits(PRESETS[name](), stages, names):
            return f"--recipe {name} --init {name}"
    return None


def _fits(recipe: Recipe, stages: dict[str, StageConfig], names: Sequence[str]) -> bool:
    return all(
        name in stages and name in recipe.stages and stages[name].backbone == recipe.stages[name].stage.backbone
        for name in names
    )


def _up(number: float) -> int:
    """A round number that is not below it."""
    if number <= 10:
        return max(1, math.ceil(number))
    digits = 10 ** (int(math.log10(number)) - 1)
    return math.ceil(number / digits) * digits

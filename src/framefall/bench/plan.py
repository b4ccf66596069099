"""How far a plan is from what training does: step time and memory of this machine, planned and measured."""

import statistics
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from framefall.config import override
from framefall.data import loader
from framefall.memory import forget_peak, peak, resident
from framefall.models.precision import autocast
from framefall.progress import Events, Stepped, operation
from framefall.runs.sources import open_source
from framefall.runs.training.probe import probe
from framefall.runs.training.train import named
from framefall.train import objective, optim
from framefall.train.loop import initial
from framefall.train.recipe import Recipe

CONFIGURATIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("micro", "base", ("stages.base.batch=48",)),
    ("micro", "base", ("stages.base.batch=24", "stages.base.stage.backbone.dim=256")),
    ("micro", "temporal_sr", ("stages.temporal_sr.batch=24",)),
    ("micro", "spatial_sr", ("stages.spatial_sr.batch=48",)),
    ("pico", "base", ("stages.base.batch=4",)),
    ("pico", "base", ("stages.base.batch=8", "stages.base.stage.backbone.depth=3")),
    ("pico", "temporal_sr", ("stages.temporal_sr.batch=4",)),
    ("pico", "spatial_sr", ("stages.spatial_sr.batch=8",)),
    ("worlds", "base", ("stages.base.batch=8",)),
)
STEPS = 3  # measured, of which the median counts


@operation
def plan_bench(count: int | None = None) -> Events[dict[str, Any]]:
    """CPU seconds of a step and bytes beyond what the process had, planned and measured, of each configuration.

    The measured step is the training's own loss, backward pass and optimisers on clips of a world that are ready.
    """
    chosen = CONFIGURATIONS[:count]
    table: list[dict[str, Any]] = []
    for done, (name, stage, settings) in enumerate(chosen):
        yield Stepped(done, len(chosen), f"{name} {stage}")
        table.append({"recipe": name, "stage": stage, **compared(override(named(name), list(settings)), stage)})
    errors = {
        what: statistics.median(row[f"{what}_error"] for row in table if row[f"{what}_error"] is not None)
        for what in ("time", "memory")
        if any(row[f"{what}_error"] is not None for row in table)
    }
    last = {name: None for name in table[0]} | {"recipe": "median of all", "stage": ""}
    last |= {f"{what}_error": error for what, error in errors.items()}
    return {"results": {"median_error": errors, "configurations": table}, "table": [*table, last]}


def compared(recipe: Recipe, name: str) -> dict[str, Any]:
    """One configuration: planned first, as a user would, then measured."""
    part = replace(recipe.stages[name], image_share=0.0)
    found = probe(name, part, recipe.seed, time.process_time)
    seconds, nbytes = found.seconds(part.batch), found.nbytes(part.batch // part.accumulate)
    took, held = measured(replace(recipe, stages={name: part}), name)
    return {
        "batch": part.batch,
        "planned_ms": 1000 * seconds,
        "measured_ms": 1000 * took,
        "time_error": abs(seconds / took - 1),
        "planned_mebibytes": nbytes / 2**20,
        "measured_mebibytes": None if held is None else held / 2**20,
        "memory_error": None if held is None else abs(nbytes / held - 1),
    }


def measured(recipe: Recipe, name: str) -> tuple[float, int | None]:
    """CPU seconds of a step of the real training, and the most bytes that it takes beyond what there was before."""
    part = recipe.stages[name]
    source = open_source(f"fall:{part.batch}", replace(recipe.data, looks=1))
    window, encoder = objective.window(part), objective.encoder(part)
    with closing(loader.batches(source, window, batch=part.batch, seed=recipe.seed, encoder=encoder)) as batches:
        clips = next(batches)
    before = resident()
    forget_peak()
    stage = initial(name, part, recipe.seed, torch.device("cpu"))
    network = stage.backbone.train()
    average = optim.AveragedWeights(network, part.optim.ema_width)
    optimizers = optim.optimizers(network, part.optim)
    taken = []
    for step in range(STEPS + 1):
        began = time.process_time()
        with autocast(stage.device):
            loss = objective.loss(stage, part, clips, recipe.seed, step).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), part.optim.clip_norm)
        for one in optimizers:
            one.step()
            one.zero_grad(set_to_none=True)
        average.update(network)
        taken.append(time.process_time() - began)
    highest = peak()
    return statistics.median(taken[1:]), None if before is None or highest is None else highest - before

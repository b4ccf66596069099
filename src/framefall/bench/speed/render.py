"""What a world costs beside training on it: simulated and drawn clips a second, and a share of a training step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from framefall.bench.speed.timing import ROUNDS, in_turns, ratio
from framefall.data.clip import Clip
from framefall.data.loader import batches
from framefall.models.precision import autocast
from framefall.progress import Events, Stepped, operation
from framefall.recipes.presets import nano
from framefall.runs.sources import WorldSource
from framefall.train import objective, optim
from framefall.train.loop import initial
from framefall.train.recipe import StageRecipe
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import open_world


@operation
def render_bench(seconds: float) -> Events[dict[str, Any]]:
    """What simulating and drawing a world costs: clips a second of CPU time, and that beside a training step of nano.

    CPU time of all threads together, so of one core: wall time on more is shorter. Every example is simulated anew.
    """
    recipe = nano()
    world = open_world("all")
    shapes = {"16x64x64": (16, 6.0, 64), "61x256x256": (61, 24.0, 256)}
    counter = iter(range(10**9))

    def draw(frames: int, fps: float, size: int) -> Callable[[], None]:
        def run() -> None:
            log = world.log(next(counter))
            render([log], [frame_times(frames, fps)], View(size, round(size * log.scene.width), size))

        return run

    jobs: dict[str, Callable[[], None]] = {name: draw(*shape) for name, shape in shapes.items()}
    source = WorldSource(world)
    for stage, short in (("base", "base"), ("spatial_sr", "ssr")):
        part = recipe.stages[stage]
        cut = objective.window(replace(part, image_share=0.0))
        batch = next(batches(source, cut, batch=part.batch, seed=0))
        jobs[f"train_{short}"] = _training(stage, part, batch)
        jobs[f"data_{short}"] = _data(source, cut, counter)
    clips = {"train_base": recipe.stages["base"].batch, "train_ssr": recipe.stages["spatial_sr"].batch}
    yield Stepped(0, ROUNDS, "timing")
    taken = in_turns(jobs, seconds)
    each = {name: [t / clips.get(name, 1) for t in times] for name, times in taken.items()}
    results = {f"{name}_clips_a_second": 1 / float(np.median(each[name])) for name in shapes}
    results |= {f"{name}_ms_a_clip": 1000 * float(np.median(times)) for name, times in each.items()}
    ratios = {
        f"render_over_train_step_{short}": ratio(each[f"data_{short}"], each[f"train_{short}"])
        for short in ("base", "ssr")
    }
    return {"results": results, "ratios": ratios}


def _training(name: str, part: StageRecipe, batch: list[Clip]) -> Callable[[], None]:
    stage = initial(name, part, 0, torch.device("cpu"))
    network = stage.backbone.train()
    optimizers = optim.optimizers(network, part.optim)

    def run() -> None:
        with autocast(stage.device):
            loss = objective.loss(stage, part, batch, 0, 0).mean()
        loss.backward()
        for one in optimizers:
            one.step()
            one.zero_grad(set_to_none=True)

    return run


def _data(source: WorldSource, cut: Any, counter: Any) -> Callable[[], None]:
    stream, _ = source.streams(cut, 1)

    def run() -> None:
        stream.clip(next(counter))

    return run

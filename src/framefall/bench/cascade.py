"""What a cascade buys: its stages beside one model that draws the finished clip at once.

What each costs is counted for finished clips of many sizes. What each is worth is measured in miniature: both see the
same clips for the same time, and then make clips of the same held-out captions.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from framefall.bench.guidance import MEASURES, batches, measured
from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.stage_config import StageConfig
from framefall.cascade.tasks import Base, SpatialSR, TemporalSR
from framefall.data.folder import FolderConfig
from framefall.evaluate.sets.registry import SET_METRICS
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.metric import interval
from framefall.models.convnet import ConvNetConfig
from framefall.models.counted import counted
from framefall.models.experts import ExpertsConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.transformer import TransformerConfig
from framefall.progress import Events, Stepped, operation
from framefall.recipes.registry import RECIPES
from framefall.runs.training.train import train
from framefall.train.loop import TrainingStep
from framefall.train.recipe import Recipe
from framefall.video import VideoShape
from framefall.weights import DEFAULT
from framefall.worlds.captions.sentences import describe

SIDES = (64, 128, 256, 512, 1024)  # pixels a side of the finished clip
WAYS = ("cascade", "single")
SCENARIOS = ("fall", "uniform", "projectile", "collision")
KNOWN = 3000  # clips that both are trained on
DISTANCE = "motion_distance"  # needs no weights of others


@operation
def cascade_bench(
    model: str | None = None, minutes: float = 5.0, clips: int = 12, seed: int = 0
) -> Events[dict[str, Any]]:
    """`results` has `planned`, a row a size for the stages of `model` (`planned`), and `miniature`: for each of
    `WAYS` the clips that it saw in `minutes` of training, what a clip costs (`gflops`, `cpu_seconds`), each of
    guidance's `MEASURES` as means with 95 % intervals, and the distance of its clips from real ones with its floor.

    `ratios` are single over cascade, of the costs. `clips` is the number of clips of each scenario.
    """
    shipped = load_cascade(model or DEFAULT)
    plans = [planned(*_three(shipped), side) for side in SIDES]
    recipes = {"cascade": miniature(), "single": single(miniature())}
    shape = recipes["single"].stages["base"].stage.shape
    protocol = Protocol(
        scenarios=SCENARIOS, clips=clips, frames=shape.frames, fps=shape.fps, size=shape.height, seed=seed, version=2
    )
    todo = list(cases(protocol, "id"))
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="framefall-") as folder:
        source = f"{','.join(SCENARIOS)}:{KNOWN}@2"
        for number, way in enumerate(WAYS):
            recipe, place = replace(recipes[way], seed=seed), Path(folder) / way
            began, seen = time.monotonic(), dict[str, int]()
            for event in train.events(source, place, recipe, minutes=minutes):
                if isinstance(event, TrainingStep):
                    seen[event.stage] = event.step * recipe.stages[event.stage].batch
                    spent = min(60 * minutes, time.monotonic() - began)
                    done = round(60 * (number * minutes) + spent)
                    yield Stepped(done, round(120 * minutes), f"seconds, training the {way}")
            found[way] = {"seen": seen, **_worth(load_cascade(place), todo)}
        own = planned(*_three(load_cascade(Path(folder) / "cascade")), protocol.size)
    for way in WAYS:
        found[way]["gflops"] = own[way]
    costs = ("gflops", "cpu_seconds")
    return {
        "results": {"planned": {str(row["side"]): row for row in plans}, "miniature": found},
        "ratios": {f"miniature_{cost}": found["single"][cost] / found["cascade"][cost] for cost in costs}
        | {f"planned_{row['side']}": row["times"] for row in plans},
        "protocol": {"model": model or DEFAULT, "minutes": minutes, "clips": len(todo), "seed": seed},
        "table": [_line(way, found[way]) for way in WAYS],
    }


def planned(base: StageConfig, temporal: StageConfig, spatial: StageConfig, side: int) -> dict[str, Any]:
    """A finished clip of `side` x `side` pixels by three stages, beside the first one's network at that size.

    `stages`, `cascade` and `single` are operations of a clip of best quality in 10^9; `times` is single over cascade;
    `base_gibibytes` and `single_gibibytes` are what a training step on one clip keeps for its backward pass.
    """
    frames, smaller = temporal.shape.frames, side // _factor(spatial)
    calls = base.best.calls * base.best.guidance.calls
    asked = base.best.asked
    _, small, small_kept = counted(base.backbone, (base.shape.frames, smaller, smaller), times=asked)
    _, whole, whole_kept = counted(base.backbone, (frames, side, side), times=asked)
    stages = {"base": calls * small / 1e9, **above(temporal, spatial, frames, side)}
    together = sum(stages.values())
    return {
        "side": side,
        "frames": frames,
        "base_side": smaller,
        "base_frames": base.shape.frames,
        "stages": stages,
        "cascade": together,
        "single": calls * whole / 1e9,
        "times": calls * whole / 1e9 / together,
        "base_gibibytes": small_kept / 2**30,
        "single_gibibytes": whole_kept / 2**30,
    }


def above(temporal: StageConfig, spatial: StageConfig, frames: int, side: int) -> dict[str, float]:
    """Operations of the stages above the base, in 10^9, for a finished clip of `frames` of `side` x `side`.

    The network of spatial super-resolution is convolutional: it costs as much for every pixel as in its own example.
    """
    small, shape = side // _factor(spatial), spatial.shape
    _, between, _ = counted(temporal.backbone, (frames, small, small), bridged=True, times=temporal.best.asked)
    grid = shape.frames, shape.height, shape.width
    _, part, _ = counted(spatial.backbone, grid, bridged=True, times=spatial.best.asked)
    share = frames * side**2 / (shape.frames * shape.height * shape.width)
    return {
        "temporal": temporal.best.calls * temporal.best.guidance.calls * between / 1e9,
        "spatial": spatial.best.calls * spatial.best.guidance.calls * part * share / 1e9,
    }


def _factor(spatial: StageConfig) -> int:
    assert isinstance(spatial.task, SpatialSR)
    return spatial.task.factor


def miniature() -> Recipe:
    """A cascade of `worlds` kind that minutes can train: 16 frames of 32 x 32 -> 31 -> 64 x 64, at 12 a second."""
    recipe = RECIPES["worlds"]()
    base, temporal, spatial = (recipe.stages[name] for name in ("base", "temporal_sr", "spatial_sr"))
    assert isinstance(base.stage.backbone, ExpertsConfig)
    trunk = base.stage.backbone.reader  # one network, which minutes can train
    assert isinstance(trunk, TransformerConfig) and isinstance(temporal.stage.task, TemporalSR)
    assert isinstance(spatial.stage.task, SpatialSR)
    small = base.stage.shape
    shallow = InterpolatorConfig(trunk=TransformerConfig(dim=64, depth=2, heads=1, patch=(2, 4, 4)))
    stages = {
        "base": replace(
            base,
            batch=8,
            share=0.6,
            stage=replace(
                base.stage, task=Base(), backbone=replace(trunk, depth=4, dim=128, heads=2, low_res_channels=0)
            ),
        ),
        "temporal_sr": replace(
            temporal,
            share=0.2,
            stage=replace(
                temporal.stage,
                task=replace(temporal.stage.task, factor=2, intervals=5),
                shape=replace(small, frames=31, fps=12.0),
                backbone=shallow,
            ),
        ),
        "spatial_sr": replace(
            spatial,
            share=0.2,
            stage=replace(
                spatial.stage,
                task=replace(spatial.stage.task, factor=2),
                shape=VideoShape(frames=4, height=64, width=64, fps=12.0),
                backbone=ConvNetConfig(dim=32, depth=4, unshuffle=2),
            ),
        ),
    }
    return replace(recipe, name="miniature", stages=stages, data=FolderConfig(size=64, fps=12.0))


def single(recipe: Recipe) -> Recipe:
    """The base network of a cascade's recipe as a model of its own, which draws the finished clip."""
    base, temporal, spatial = (recipe.stages[name] for name in ("base", "temporal_sr", "spatial_sr"))
    high, long = spatial.stage.shape, temporal.stage.shape
    shape = replace(high, frames=long.frames, fps=long.fps)
    stage = replace(base, share=1.0, stage=replace(base.stage, shape=shape))
    return replace(recipe, name="single", stages={"base": stage})


def _three(cascade: Cascade) -> tuple[StageConfig, StageConfig, StageConfig]:
    kinds = {stage.task.kind: stage.config for stage in cascade.stages}
    if missing := {"base", "temporal_sr", "spatial_sr"} - kinds.keys():
        name = cascade.config.name
        raise ValueError(f"the model must have all three stages, {name} has no {min(missing)}; give another --model")
    return kinds["base"], kinds["temporal_sr"], kinds["spatial_sr"]


def _worth(cascade: Cascade, todo: Sequence[Case]) -> dict[str, Any]:
    """What a clip of the trained model costs, and what its clips of the cases' captions are worth."""
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    made, began = [], time.process_time()
    for batch in batches(todo):
        request = Request(
            tuple(describe(case.log.scene) for case in batch),
            frames=batch[0].frames,
            quality="best",
            names=tuple(case.name for case in batch),
        )
        made += list(cascade.sample(request).float().cpu()[:, None])
    spent = (time.process_time() - began) / len(todo)
    for case, video in zip(todo, made, strict=True):
        for name, value in measured(case, video).items():
            values[name].append(value)
    metric, fps = SET_METRICS[DISTANCE], todo[0].protocol.fps
    ours, real = ([metric.features(video, fps) for video in videos] for videos in (made, [case.video for case in todo]))
    distance = metric.between(ours, real)
    return {
        "cpu_seconds": spent,
        **{name: interval(each) for name, each in values.items()},
        DISTANCE: distance,
    }


def _line(way: str, found: Mapping[str, Any]) -> dict[str, str]:
    seen = ", ".join(f"{name} {count:,}" for name, count in found["seen"].items())
    numbers = {
        MEASURES[name].words if name in MEASURES else "motion distance": found[name] for name in (*MEASURES, DISTANCE)
    }
    said = {name: f"{one.value:.3f} ({one.low:.3f} .. {one.high:.3f})" for name, one in numbers.items()}
    costs = {"GFLOPs a clip": f"{found['gflops']:.1f}", "CPU seconds a clip": f"{found['cpu_seconds']:.2f}"}
    return {"way": way, "clips seen": seen, **costs, **said}

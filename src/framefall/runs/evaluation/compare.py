"""Ways to fuse frames across time, side by side: one network, one source, one budget, and a switch.

Each way is trained on the user's clips until it has spent the same number of floating point operations (or minutes,
or steps). Then all are asked the same: how well they denoise clips that they never saw, how much their own clips
flicker and move beside real ones, and what a step costs in time and memory.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from framefall import outputs
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.data.loader import Source
from framefall.data.media.sheet import clip_row, strips
from framefall.evaluate.metrics import coherence, motion
from framefall.evaluate.metrics.cadence import cadence
from framefall.flow import frames_of, look
from framefall.jsonable import jsonable
from framefall.metric import DRAWS, Interval, interval
from framefall.models.backbone import Condition
from framefall.models.precision import autocast
from framefall.models.registry import build
from framefall.models.text import TEXT_DIM
from framefall.models.unet import UNetConfig
from framefall.noise import Key
from framefall.outputs import Output
from framefall.progress import Events, Stepped, operation
from framefall.train import objective
from framefall.train.loop import Budget, TrainingStep, initial, train_stage
from framefall.train.recipe import Recipe, StageRecipe
from framefall.video import Video, VideoShape, to_frames

FUSIONS = ("per_frame", "conv3d", "temporal", "sparse", "joint")
_TRIAL = 3  # steps that are timed before the budget is shared out
_SHOWN = 8  # frames of a clip on the picture
_FILES = ("compare.json", "compare.png", "samples.png")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, and how."""

    fusions: tuple[str, ...] = FUSIONS
    minutes: float = 10.0  # of training, of all together
    equal: Literal["flops", "minutes", "steps"] = "flops"  # what each way is given the same of
    size: int = 32  # pixels a side
    frames: int = 16
    fps: float = 6.0
    batch: int = 8
    clips: int = 16  # held-out clips, and samples of each way
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.fusions if name not in FUSIONS]
        if unknown or not self.fusions or len(set(self.fusions)) < len(self.fusions):
            raise ValueError(
                f"fusions must be some of {', '.join(FUSIONS)}, each once; got {', '.join(self.fusions) or 'none'}"
            )
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            raise ValueError(f"minutes must be above 0, got {self.minutes}; try 10")


@dataclass(frozen=True)
class Cost:
    """What one training step of a batch costs."""

    parameters: int
    gflops: float  # forward and backward, of matrix products and convolutions
    milliseconds: float
    mebibytes: float  # kept for the backward pass


def recipe_of(fusion: str, comparison: Comparison) -> Recipe:
    """The base stage that is trained; nothing but `fusion` differs."""
    network = UNetConfig(
        dim=32,
        multipliers=(1, 2, 4),
        blocks=(1, 1, 1),
        unshuffle=2,
        spatial_from=1,
        temporal_from=0,
        fusion=fusion,  # type: ignore[arg-type]
        pattern="window(2)",
        text_dim=TEXT_DIM,
    )
    shape = VideoShape(frames=comparison.frames, height=comparison.size, width=comparison.size, fps=comparison.fps)
    stage = StageConfig(task=Base(), shape=shape, backbone=network, fast=Sampling(steps=8, sampler="dpm++2m"))
    part = StageRecipe(stage=stage, batch=comparison.batch, flip=False)
    return Recipe(name=f"compare-{fusion}", stages={"base": part}, seed=comparison.seed)


@operation
def compare(
    source: Folder | Source, comparison: Comparison, folder: Path, *, overwrite: bool = False
) -> Events[dict[str, Any]]:
    """Trains every way and measures it; the answer is also in `folder`: compare.json, compare.png and samples.png."""
    files = {one.path.name: one for one in outputs.files([folder / name for name in _FILES], overwrite=overwrite)}
    recipes = {fusion: recipe_of(fusion, comparison) for fusion in comparison.fusions}
    part = recipes[comparison.fusions[0]].stages["base"]
    held_out = loader.validation(source.split("validation"), objective.window(part), comparison.clips, comparison.seed)
    training = source.split("train")
    batch = next(loader.batches(training, objective.window(part), batch=comparison.batch, seed=comparison.seed))
    costs = {fusion: cost(recipe.stages["base"], batch) for fusion, recipe in recipes.items()}
    steps = shares(costs, comparison)
    done, total = 0, sum(steps.values())
    real = [objective.stack([clip], torch.device("cpu")) for clip in held_out]
    results, samples = dict[str, Any](), dict[str, list[Video]]()
    flickers: dict[str, list[float]] = {}
    rates = [clip.fps for clip in held_out]
    still = _flickers(real, rates)
    for fusion, recipe in recipes.items():
        stage = initial("base", recipe.stages["base"], comparison.seed, torch.device("cpu"))
        for event in train_stage(stage, recipe, training, Budget(steps=steps[fusion]), folder / "runs" / fusion):
            if isinstance(event, TrainingStep):
                yield Stepped(done + event.step, total, f"{fusion}, loss {event.loss:.4f}")
            else:
                yield event
        done += steps[fusion]
        losses = held_out_losses(stage, recipe.stages["base"], held_out, comparison.seed)
        samples[fusion] = [sampled(stage, clip, comparison.seed) for clip in held_out]
        flickers[fusion] = _flickers(samples[fusion], rates)
        moves = [
            motion.dynamic_ratio(look(ours, fps), look(true, fps))
            for ours, true, fps in zip(samples[fusion], real, rates, strict=True)
        ]
        results[fusion] = {
            "steps": steps[fusion],
            "held_out_loss": jsonable(interval(losses, comparison.seed)),
            "flicker_over_real": jsonable(ratio_of_means(flickers[fusion], still, comparison.seed)),
            "dynamic_ratio": jsonable(interval(moves, comparison.seed)),
            "stutter": jsonable(interval(_stutters(samples[fusion]), comparison.seed)),
            **asdict(costs[fusion]),
        }
    worse = {
        name: jsonable(ratio_of_means(flickers["per_frame"], flickers[name], comparison.seed))
        for name in comparison.fusions
        if name != "per_frame" and "per_frame" in comparison.fusions
    }
    steady = jsonable(interval(_stutters(real), comparison.seed))
    answer = {"contest": asdict(comparison), "results": results, "per_frame_flicker_over": worse}
    answer["stutter_of_real"] = steady
    with files["compare.json"].writing() as partial:
        partial.write_text(json.dumps(answer, indent=2) + "\n")
    picture(results, files["compare.png"])
    rows = [("real", real[0]), *((fusion, clips[0]) for fusion, clips in samples.items())]
    strips([clip_row(name, to_frames(video), comparison.fps, _SHOWN) for name, video in rows], files["samples.png"])
    return answer


def shares(costs: dict[str, Cost], comparison: Comparison) -> dict[str, int]:
    """How many steps each way is given, so that together they take about the minutes asked for."""
    seconds = {name: one.milliseconds / 1000 for name, one in costs.items()}
    each = {
        "flops": {name: 1 / one.gflops for name, one in costs.items()},
        "minutes": {name: 1 / seconds[name] for name in costs},
        "steps": dict.fromkeys(costs, 1.0),
    }[comparison.equal]
    scale = comparison.minutes * 60 / sum(each[name] * seconds[name] for name in costs)
    return {name: max(1, round(scale * each[name])) for name in costs}


def cost(part: StageRecipe, batch: Sequence[Clip]) -> Cost:
    """Measured on one batch; operations are counted on a network without memory, where nothing is fused."""
    config, shape = part.stage, part.stage.shape
    with torch.device("meta"):
        x = torch.empty(1, shape.channels, shape.frames, shape.height, shape.width)
        condition = Condition(
            seconds=torch.empty(1, shape.frames),
            text=torch.empty(1, config.backbone.words, TEXT_DIM),
            text_mask=torch.ones(1, config.backbone.words, dtype=torch.bool),
        )
        with FlopCounterMode(display=False) as counter:
            build(config.backbone)(x, torch.empty(1), condition)
    stage = initial("base", part, 0, torch.device("cpu"))
    network = stage.backbone.train()
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    taken = []
    for trial in range(_TRIAL):
        began = time.perf_counter()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast(stage.device):
            loss = objective.loss(stage, part, batch, 0, trial).mean()
        size = sum(kept.values())
        loss.backward()
        network.zero_grad(set_to_none=True)
        taken.append(time.perf_counter() - began)
        kept.clear()
    return Cost(
        parameters=sum(each.numel() for each in network.parameters()),
        gflops=3 * len(batch) * counter.get_total_flops() / 1e9,
        milliseconds=1000 * min(taken),
        mebibytes=size / 2**20,
    )


def held_out_losses(stage: Stage, part: StageRecipe, clips: Sequence[Clip], seed: int) -> list[float]:
    """The training loss of clips that were never trained on, at four draws of time and noise each."""
    plain = replace(part, text_dropout=0.0)
    with torch.no_grad(), autocast(stage.device):
        draws = [objective.loss(stage, plain, clips, seed, step) for step in range(4)]
    return torch.stack(draws).mean(0).tolist()


def sampled(stage: Stage, clip: Clip, seed: int) -> Video:
    """A new clip for the caption of a held-out one, of its length and size."""
    _, frames, height, width = clip.pixels.shape
    condition = stage.condition([clip.caption], frames=frames, fps=clip.fps)
    keys = [Key(seed, "compare", clip.key)]
    *_, last = stage.sample(condition, None, (height, width), range(frames), keys, stage.sampling("fast"))
    return last.x.cpu()


def ratio_of_means(over: Sequence[float], under: Sequence[float], seed: int = 0) -> Interval:
    """The ratio of two means with its 95 % bootstrap interval; the two sides are drawn anew independently."""
    top, bottom = (np.array([value for value in side if not math.isnan(value)]) for side in (over, under))
    if not len(top) or not len(bottom) or not bottom.mean() > 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    draw = np.random.default_rng(Key(seed, "ratio of means").word())
    means = [
        draw.choice(top, len(top)).mean() / max(draw.choice(bottom, len(bottom)).mean(), 1e-12) for _ in range(DRAWS)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(top.mean() / bottom.mean()), float(low), float(high), min(len(top), len(bottom)))


def table(answer: dict[str, Any]) -> str:
    """The comparison to read."""
    head = f"{'fusion':<11}{'held-out loss':>26}{'flicker over real':>24}{'motion over real':>24}{'stutter':>24}"
    lines = [head + f"{'steps':>7}{'ms/step':>9}{'GFLOP':>8}{'MiB':>7}{'M param':>9}"]
    for name, row in answer["results"].items():
        spans = "".join(f"{_span(row[key]):>{width}}" for key, width in _SPANS.items())
        numbers = f"{row['steps']:>7}{row['milliseconds']:>9.0f}{row['gflops']:>8.1f}{row['mebibytes']:>7.0f}"
        lines.append(f"{name:<11}{spans}{numbers}{row['parameters'] / 1e6:>9.2f}")
    lines.append(f"real clips stutter {_span(answer['stutter_of_real'])}")
    for name, value in answer["per_frame_flicker_over"].items():
        lines.append(f"per_frame flickers {_span(value)} times as much as {name}")
    return "\n".join(lines) + "\n"


_SPANS = {"held_out_loss": 26, "flicker_over_real": 24, "dynamic_ratio": 24, "stutter": 24}  # how wide they are


def picture(results: dict[str, Any], output: Output) -> None:
    """Quality, flicker, time and memory of each way as bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = (
        ("held_out_loss", "held-out loss"),
        ("flicker_over_real", "flicker, times real video's"),
        ("milliseconds", "ms a step"),
        ("mebibytes", "MiB kept for the backward pass"),
    )
    figure, axes = pyplot.subplots(1, 4, figsize=(13, 3.2), dpi=100)
    for axis, (key, title) in zip(axes, panels, strict=True):
        rows = [row[key] for row in results.values()]
        heights = [row["value"] or 0.0 if isinstance(row, dict) else row for row in rows]
        axis.bar(range(len(rows)), heights, color="#4878a8")
        for place, row in enumerate(rows):
            if isinstance(row, dict) and row["n"]:
                axis.plot([place, place], [row["low"], row["high"]], color="black")
        axis.set_xticks(range(len(rows)), list(results), rotation=30, fontsize=8)
        axis.set_title(title, fontsize=9)
    figure.tight_layout()
    with output.writing() as partial:
        figure.savefig(partial, format="png")
    pyplot.close(figure)


def _flickers(videos: Sequence[Video], rates: Sequence[float]) -> list[float]:
    return [float(coherence.flicker(look(video, fps))) for video, fps in zip(videos, rates, strict=True)]


def _stutters(videos: Sequence[Video]) -> list[float]:
    return [cadence(frames_of(video)).stutter for video in videos]


def _span(value: dict[str, Any]) -> str:
    return "not measurable" if not value["n"] else f"{value['value']:.4g} ({value['low']:.3g} .. {value['high']:.3g})"

"""Side-by-side measurements of this machine: interleaved runs, ratios with their spread, as one JSON object."""

import platform
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from framefall.data.clip import Clip
from framefall.data.loader import batches
from framefall.evaluate.validity import markdown
from framefall.models.precision import autocast
from framefall.recipes.bench.attention import attention_bench
from framefall.recipes.bench.attention_picture import draw_attention
from framefall.recipes.bench.backbones import backbones_bench
from framefall.recipes.bench.engines import engines_bench
from framefall.recipes.bench.limits import limits_bench
from framefall.recipes.bench.presets import presets_bench
from framefall.recipes.bench.trackers import trackers_bench
from framefall.recipes.bench.worlds import world_bench
from framefall.recipes.presets import nano
from framefall.recipes.sources import WorldSource
from framefall.recipes.steps import Stepped
from framefall.recipes.validity import as_json, validity_bench
from framefall.train import objective, optim
from framefall.train.loop import initial
from framefall.train.recipe import StageRecipe
from framefall.worlds.render import View, render
from framefall.worlds.state import frame_times
from framefall.worlds.world import open_world

ROUNDS = 9  # of interleaved timings: a median with its middle half


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a benchmark may be told; each reads what concerns it."""

    seconds: float = 5.0  # for about how long each thing is timed
    model: str | None = None  # a shipped model or a folder
    clips: int = 12  # of each kind
    seed: int = 0
    peers: Path | None = None  # the folder that other packages were installed into, to be measured against
    picture: Path | None = None  # where a picture goes, of a benchmark that has one


Run = Generator[Stepped, None, dict[str, Any]]


def render_cost(options: Options) -> Run:
    """What simulating and drawing a world costs: clips a second, and beside a training step of base and SSR (nano).

    CPU time of one process on as many threads as torch has; every example is simulated anew.
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
    taken = interleaved(jobs, options.seconds)
    each = {name: [t / clips.get(name, 1) for t in times] for name, times in taken.items()}
    results = {f"{name}_clips_a_second": 1 / float(np.median(each[name])) for name in shapes}
    results |= {f"{name}_ms_a_clip": 1000 * float(np.median(times)) for name, times in each.items()}
    ratios = {
        f"render_over_train_step_{short}": ratio(each[f"data_{short}"], each[f"train_{short}"])
        for short in ("base", "ssr")
    }
    return report("render", results, ratios)


def worlds(options: Options) -> Run:
    """How well a model obeys physics where every answer is known (`worldbench`)."""
    scores = yield from world_bench(options.model, options.clips, options.seed)
    return {**report("worlds", {"model": options.model}, {}), **scores}


def validity(options: Options) -> Run:
    """Every metric against every damage and placebo (`validity`): the attribution matrix."""
    certificate = yield from validity_bench(options.clips, options.seed)
    return {**report("validity", {}, {}), **as_json(certificate), "markdown": markdown(certificate.cells)}


def trackers(options: Options) -> Run:
    """How good the tracker is where the answer is known (`bench.trackers`)."""
    found = yield from trackers_bench(options.clips, options.seed)
    return report("trackers", found, {})


def presets(options: Options) -> Run:
    """Parameters, operations and memory of every stage of every recipe (`bench.presets`)."""
    found = yield from presets_bench()
    return report("presets", found, {})


def attention(options: Options) -> Run:
    """Attention along time over all frames and over a window (`bench.attention`); its plain ratios are of forward
    passes in float32.
    """
    found = yield from attention_bench(options.seconds / ROUNDS)
    if options.picture:
        draw_attention(found["results"], options.picture)
    return report("attention", found["results"], {**found["ratios"]["forward_float32"], **found["ratios"]})


def backbones(options: Options) -> Run:
    """Our networks beside those of other packages (`bench.backbones`)."""
    found = yield from backbones_bench(options.peers, options.seconds)
    return report("backbones", found["results"], found["ratios"])


def limits(options: Options) -> Run:
    """Measured ceilings of this machine, and what share of them each layer reaches (`bench.limits`)."""
    found = yield from limits_bench(options.seconds)
    return report("limits", found["results"], found["ratios"])


def engines(options: Options) -> Run:
    """Ways to run our networks on this CPU when they sample (`bench.engines`)."""
    found = yield from engines_bench(options.seconds)
    return report("engines", found["results"], found["ratios"])


def interleaved(jobs: Mapping[str, Callable[[], None]], seconds: float) -> dict[str, list[float]]:
    """Wall seconds of a call of each job, in `ROUNDS` rounds of turns; a job has `seconds` in all."""
    for job in jobs.values():
        job()
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            began, calls = time.perf_counter(), 0
            while calls == 0 or time.perf_counter() - began < seconds / ROUNDS:
                job()
                calls += 1
            taken[name].append((time.perf_counter() - began) / calls)
    return taken


def ratio(over: list[float], under: list[float]) -> dict[str, float]:
    """The ratio of two jobs' times round by round: the median and the range of its middle half."""
    rounds = np.array(over) / np.array(under)
    low, median, high = np.percentile(rounds, (25, 50, 75))
    return {"median": float(median), "low": float(low), "high": float(high)}


def report(name: str, results: Mapping[str, Any], ratios: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a benchmark."""
    return {"name": name, "machine": machine(), "commit": commit(), "results": dict(results), "ratios": dict(ratios)}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """A benchmark's result to read: a number a line, with its spread."""
    for key, value in result.items():
        if key in ("name", "machine", "commit", "protocol"):
            yield f"{key:<32} {value if isinstance(value, str) else ', '.join(f'{k} {v}' for k, v in value.items())}"
        elif isinstance(value, Mapping):
            yield from _values(key, value)


def _values(path: str, values: Mapping[str, Any]) -> Iterator[str]:
    middle = values.get("value", values.get("median"))
    if "low" in values and "high" in values:
        count = f", n = {values['n']}" if "n" in values else ""
        text = "not measurable" if middle is None else f"{middle:.4g} ({values['low']:.4g} .. {values['high']:.4g})"
        yield f"{path:<64} {text}{count}"
        return
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _values(f"{path}.{key}", value)
        elif isinstance(value, float):
            yield f"{path + '.' + key:<64} {value:.4g}"
        elif value is not None:
            yield f"{path + '.' + key:<64} {value}"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"cpu": names[0] if names else model, "threads": torch.get_num_threads(), "torch": torch.__version__}


def commit() -> str:
    """The commit of the source tree, if it is one."""
    here = Path(__file__).parent
    done = subprocess.run(["git", "-C", str(here), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


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


BENCHMARKS: dict[str, Callable[[Options], Run]] = {
    "attention": attention,
    "backbones": backbones,
    "engines": engines,
    "limits": limits,
    "presets": presets,
    "render": render_cost,
    "trackers": trackers,
    "validity": validity,
    "worlds": worlds,
}

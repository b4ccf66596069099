"""Side-by-side measurements of this machine: interleaved runs, ratios with their spread, as one JSON object."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framefall.bench.attention import attention_bench
from framefall.bench.attention_picture import draw_attention
from framefall.bench.backbones import backbones_bench
from framefall.bench.engines import engines_bench
from framefall.bench.limits import limits_bench
from framefall.bench.presets import presets_bench
from framefall.bench.render import render_bench
from framefall.bench.table import report
from framefall.bench.timing import ROUNDS
from framefall.bench.trackers import trackers_bench
from framefall.bench.worlds import world_bench
from framefall.evaluate.certify.validity import markdown
from framefall.progress import Events
from framefall.runs.certify import as_json, validity_bench


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a benchmark may be told; each reads what concerns it."""

    seconds: float = 5.0  # for about how long each thing is timed
    model: str | None = None  # a shipped model or a folder
    clips: int = 12  # of each kind
    seed: int = 0
    peers: Path | None = None  # the folder that other packages were installed into, to be measured against
    picture: Path | None = None  # where a picture goes, of a benchmark that has one


Run = Events[dict[str, Any]]


def render(options: Options) -> Run:
    """What simulating and drawing a world costs beside training (`bench.render`)."""
    found = yield from render_bench(options.seconds)
    return report("render", found["results"], found["ratios"])


def worlds(options: Options) -> Run:
    """How well a model obeys physics where every answer is known (`bench.worlds`)."""
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


BENCHMARKS: dict[str, Callable[[Options], Run]] = {
    "attention": attention,
    "backbones": backbones,
    "engines": engines,
    "limits": limits,
    "presets": presets,
    "render": render,
    "trackers": trackers,
    "validity": validity,
    "worlds": worlds,
}

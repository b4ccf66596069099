"""Side-by-side measurements of this machine by name; each gives one JSON object."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framefall import outputs
from framefall.bench.cascade import cascade_bench
from framefall.bench.guidance import guidance_bench
from framefall.bench.plan import plan_bench
from framefall.bench.presets import presets_bench
from framefall.bench.speed.attention import attention_bench
from framefall.bench.speed.backbones import backbones_bench
from framefall.bench.speed.engines import engines_bench
from framefall.bench.speed.generate import generate_bench
from framefall.bench.speed.limits import limits_bench
from framefall.bench.speed.render import render_bench
from framefall.bench.speed.timing import ROUNDS
from framefall.bench.speed.train import train_bench
from framefall.bench.table import report
from framefall.bench.trackers import trackers_bench
from framefall.bench.uses.bench import uses_bench
from framefall.bench.validity import validity_bench
from framefall.bench.worlds.bench import worlds_bench
from framefall.bench.worlds.sheets import SHEETS
from framefall.cascade.request import Quality
from framefall.outputs import Output
from framefall.progress import Events, operation


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a benchmark may be told; each reads what concerns it."""

    seconds: float = 5.0  # for about how long each thing is timed
    minutes: float = 5.0  # for how long each thing is trained, of a benchmark that trains
    model: str | None = None  # a shipped model or a folder
    weaker: str | None = None  # a weaker model of the same kind, for guidance to walk away from
    recipe: str | None = None  # a recipe's name
    stage: str | None = None  # one of its stages
    settings: tuple[str, ...] = ()  # of the recipe, as "stages.base.batch=8"
    clips: int = 12  # of each kind
    seed: int = 0
    version: int | None = None  # of the worlds, where a benchmark has them: by itself the one that the model knows
    peers: Path | None = None  # the folder that other packages were installed into, to be measured against
    picture: Path | Output | None = None  # where a picture goes, of a benchmark that has one
    overwrite: bool = False  # a picture that Framefall did not make
    quality: Quality = "best"  # of what is made, where a benchmark leaves it open
    videos: Path | None = None  # a folder of real ones


BENCHMARKS: dict[str, Callable[[Options], Events[dict[str, Any]]]] = {
    "attention": lambda given: attention_bench.inside(given.seconds / ROUNDS, picture=given.picture),
    "backbones": lambda given: backbones_bench.inside(given.peers, given.seconds),
    "cascade": lambda given: cascade_bench.inside(given.model, given.minutes, given.clips, given.seed),
    "engines": lambda given: engines_bench.inside(given.seconds),
    "generate": lambda given: generate_bench.inside(given.model, max(1, round(given.seconds)), seed=given.seed),
    "guidance": lambda given: guidance_bench.inside(given.model, given.clips, given.seed, given.weaker),
    "limits": lambda given: limits_bench.inside(given.seconds),
    "plan": lambda given: plan_bench.inside(given.clips),
    "presets": lambda given: presets_bench.inside(),
    "render": lambda given: render_bench.inside(given.seconds),
    "trackers": lambda given: trackers_bench.inside(given.clips, given.seed),
    "train": lambda given: train_bench.inside(given.recipe, given.stage, given.settings, given.seconds),
    "uses": lambda given: uses_bench.inside(
        given.model, given.clips, given.seed, given.quality, given.videos, given.picture
    ),
    "validity": lambda given: validity_bench.inside(given.clips, given.seed),
    "worlds": lambda given: worlds_bench.inside(
        given.model, given.clips, given.seed, version=given.version, sheet=given.picture
    ),
}


@operation
def benchmark(name: str, options: Options) -> Events[dict[str, Any]]:
    """Runs one of them: `name`, `machine`, `commit`, `results`, `ratios`, and what else it has."""
    if name not in BENCHMARKS:
        raise ValueError(f"name must be one of {', '.join(BENCHMARKS)}; got {name!r}")
    if isinstance(options.picture, Path):
        overwrite = options.overwrite
        picture = (
            outputs.folder(options.picture, SHEETS, overwrite=overwrite)
            if name == "worlds"
            else outputs.file(options.picture, overwrite=overwrite)
        )
        options = replace(options, picture=picture)
    found = yield from BENCHMARKS[name](options)
    return report(name, found)

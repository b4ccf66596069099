"""Answers to questions about a model, a set of clips or the metrics: who is to blame, what was copied, what to trust.

Each is long work whose result is an `Answer`: values for machines, and the same to read.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade, finished
from framefall.cascade.request import Quality
from framefall.cascade.stage import Stage
from framefall.cascade.tasks import TemporalSR
from framefall.data.folder import Folder
from framefall.data.loader import validation
from framefall.data.window import Window
from framefall.evaluate.certify.twins import Trial, world_trials
from framefall.evaluate.metrics.suite import ScoreRow
from framefall.evaluate.report.table import scores_of, table
from framefall.evaluate.sets.memorisation import Memorisation, describe, memorisation
from framefall.evaluate.stages import blame as blaming
from framefall.evaluate.stages.faults import QUANTITIES, law
from framefall.evaluate.stages.likelihood import Expectation, expectation_error, overall, stage_judge
from framefall.evaluate.stages.superres import compare_spatial, compare_temporal
from framefall.evaluate.worldbench.benchmark import MINI
from framefall.jsonable import jsonable
from framefall.progress import Events, Note, Stepped, operation
from framefall.runs.evaluation.certify import as_json, trusted, validate
from framefall.runs.evaluation.clips import clip_set, read_all
from framefall.video import from_pixels
from framefall.worlds.render.renderer import View
from framefall.worlds.violations.registry import VIOLATIONS
from framefall.worlds.world import World, version_trained_on


@dataclass(frozen=True)
class Answer:
    """What was found: as JSON has it, and to read."""

    values: dict[str, Any]
    text: str


@operation
def superres(cascade: Cascade, folder: Folder, count: int, seed: int = 0, quality: Quality = "fast") -> Events[Answer]:
    """Real clips made small and few, given to each super-resolution stage, against blending and bicubic."""
    stages = [stage for stage in cascade.stages if stage.task.super_resolution]
    rows: list[ScoreRow] = []
    for done, stage in enumerate(stages):
        yield Stepped(done, len(stages), f"{stage.name}, against the plain method")
        rows += superres_rows(cascade, stage, folder, count, seed, quality)
    return Answer(dict(jsonable(scores_of(rows))), table(rows))


def superres_rows(
    cascade: Cascade, stage: Stage, folder: Folder, count: int, seed: int, quality: Quality
) -> list[ScoreRow]:
    """One stage's scores, the plain method's, and the gain over it."""
    task, shape = stage.task, stage.config.shape
    if isinstance(task, TemporalSR):
        span = 2 * task.intervals * task.factor + 1
        cut = Window(frames=span, fps=shape.fps, height=shape.height, width=shape.width)
    else:
        cut = Window(frames=8, fps=shape.fps, height=shape.height, width=shape.width, view="crop")
    real = [
        (f"{index:02d} {clip.key}", from_pixels(torch.from_numpy(clip.pixels))[None], clip.fps)
        for index, clip in enumerate(validation(folder, cut, count, seed))
    ]

    def run(low: Tensor, fps: float = shape.fps) -> Tensor:  # more frames than came in
        events = cascade.upscale(iter([low]), fps=fps, stages=[stage.name], seed=seed, quality=quality)
        return torch.cat(list(finished(events, stage.name)), dim=2)

    if task.time_factor > 1:
        rows = compare_temporal(real, run, task.time_factor)
    else:
        rows = compare_spatial(real, run, task.space_factor)
    return [replace(row, metric=f"{stage.name}.{row.metric}") for row in rows]


@operation
def blame(cascade: Cascade, folder: Folder, count: int, seed: int = 0, quality: Quality = "fast") -> Events[Answer]:
    """What each stage adds, on real input and on generated input, and who is to blame for what."""
    links, base, last = blaming.cascade_links(cascade, quality, seed), cascade.stages[0], cascade.stages[-1]
    if base.task.super_resolution:
        raise ValueError(f"blame needs a whole cascade, and this one begins with {base.name}; take one with a base")
    time, space = math.prod(link.time for link in links), math.prod(link.space for link in links)
    shape = base.config.shape
    window = Window(
        frames=(min(shape.frames, 9) - 1) * time + 1,
        fps=last.config.shape.fps,
        height=shape.height * space,
        width=shape.width * space,
        flip=False,
    )
    clips = validation(folder, window, count, seed)
    real = [(f"{place} {c.key}", from_pixels(torch.from_numpy(c.pixels))[None], c.fps) for place, c in enumerate(clips)]
    yield Stepped(0, 2, "what each stage makes of real clips and of generated ones")
    traces = blaming.cascade_traces(cascade, [clip.caption for clip in clips], quality, seed)
    quantities = QUANTITIES | {f"broken {name}": law(name) for name in ("continuity", "permanence")}
    result = blaming.blame(links, real, traces, shape.fps, quantities, seed)
    rows = [{**asdict(row), "guilty": row.guilty} for row in result.rows]
    verdicts = [{**asdict(one), "text": str(one)} for one in result.verdicts]
    lines = [f"{'stage':<14}{'input':<11}{'quantity':<20}{'adds':>10}{'limit':>10}  n\n"]
    for row in result.rows:
        mark = "  <-" if row.guilty else ""
        value = f"{row.value:>10.4g}{row.limit:>10.4g}" if row.n else f"{'not measurable':>20}"
        lines.append(f"{row.stage:<14}{row.input:<11}{row.quantity:<20}{value}  {row.n}{mark}\n")
    lines += [f"{one}\n" for one in result.verdicts] or ["no stage adds more than can be excused\n"]
    return Answer(dict(jsonable({"rows": rows, "verdicts": verdicts})), "".join(lines))


@operation
def copies(clips: str | Path, training: str | Path, held_out: str | Path, seed: int = 0) -> Events[Answer]:
    """Whether clips are copies of training clips, by what is in them and by how it moves.

    `held_out` are real clips that were not trained on: they say how near is too near.
    """
    skipped: dict[str, str] = {}
    sets = [clip_set(path, skipped.__setitem__) for path in (clips, training, held_out)]
    total = sum(len(one.files) for one in sets)
    done, described = 0, []
    for one in sets:
        yield Stepped(done, total, f"reading {one.root.name}")
        described.append(describe(read_all(one, None, skipped.__setitem__)))
        done += len(one.files)
    found = memorisation(described[0], described[1], described[2], seed)
    for name, reason in skipped.items():
        yield Note(f"skipped {name}: {reason}")
    text = "".join(line for space in found for line in _memory(space))
    return Answer(dict(jsonable({"skipped": skipped, "spaces": found})), text)


@operation
def likelihood(cascade: Cascade, count: int, seed: int = 0, stage: str = "") -> Events[Answer]:
    """Violation of expectation: does a stage's denoiser find valid clips likelier than twins that break physics?

    `stage` is the first if it is not said. Simulated pairs of its own shape, up to `count` a violation and scenario.
    """
    judge = cascade.stage(stage) if stage else cascade.stages[0]
    version = version_trained_on(cascade.config.trained_on)
    found = []
    for done, violation in enumerate(VIOLATIONS):
        yield Stepped(done, len(VIOLATIONS), violation)
        found += expectations(judge, count, seed, violations=(violation,), version=version)
    mean = overall(found, seed)
    width = max((len(one.violation) for one in found), default=0)
    lines = [f"{'violation'.ljust(width)}  error (95%)            null  n\n"]
    for one in found:
        span = f"{one.error.value:.2f} ({one.error.low:.2f} .. {one.error.high:.2f})"
        said = span if not one.rejected else f"nothing can be said: {one.rejected}"
        lines.append(f"{one.violation.ljust(width)}  {said:<22} {one.null:.2f}  {one.error.n} of {one.trials}\n")
    verdict = f"{judge.name} prefers the broken clip in {100 * mean.value:.0f}% ({100 * mean.low:.0f} .. "
    verdict += f"{100 * mean.high:.0f}%) of the pairs that count; 50% is not to know\n"
    lines.append(verdict if mean.n else f"nothing can be said of {judge.name}: take a larger --count\n")
    values = {"stage": judge.name, "violation_of_expectation_error": mean, "violations": _by_violation(found)}
    return Answer(dict(jsonable(values)), "".join(lines))


def expectations(
    stage: Stage,
    count: int,
    seed: int = 0,
    scenarios: Iterable[str] = MINI,
    violations: Iterable[str] = tuple(VIOLATIONS),
    version: int = 1,
) -> list[Expectation]:
    """Violation of expectation on the id split of a version of the worlds, one answer for each kind of violation."""
    shape = stage.config.shape
    view = View(shape.height, shape.width)

    def trials() -> Iterator[Trial]:
        for violation in violations:
            for scenario in scenarios:
                world = World((scenario,), "id", seed=seed, version=version)
                yield from world_trials(world, violation, count, view, shape.fps, shape.frames, seed=seed)

    return expectation_error(trials(), stage_judge(stage), seed)


def _by_violation(found: Iterable[Expectation]) -> dict[str, Any]:
    names = ("null", "note", "rejected")
    return {one.violation: {**asdict(one.error), **{name: getattr(one, name) for name in names}} for one in found}


@operation
def metrics(clip: str | Path, seed: int = 0) -> Events[Answer]:
    """Which metrics can be trusted on one user's footage, and for what: damages it to see."""
    certificate = yield from validate.inside(str(clip), seed)
    said = trusted(certificate)
    width = max(len(name) for name in said)
    lines = [f"{name.ljust(width)}  {what}\n" for name, what in said.items()]
    head = f"{certificate.clips} segments, each damaged and each left as good as it was\n"
    return Answer(dict(jsonable({"trusted": said, **as_json(certificate)})), head + "".join(lines))


def _memory(space: Memorisation) -> Iterator[str]:
    if math.isnan(space.rho.value):
        yield f"{space.space}: not measurable, {space.note}\n"
        return
    yield (
        f"{space.space}: {100 * space.flagged.value:.0f}% are nearer to a training clip than 95% of held-out clips"
        f" ({100 * space.flagged.low:.0f} .. {100 * space.flagged.high:.0f}%, expected 5%), rho {space.rho.value:.2f}"
        f" ({space.rho.low:.2f} .. {space.rho.high:.2f}), n = {space.rho.n}\n"
    )
    yield (
        f"{space.space}: {100 * space.held_out_reached.value:.0f}% of held-out clips are reached,"
        f" {100 * space.held_out_expected:.0f}% by as many training clips\n"
    )
    yield from (f"  {one.clip} is {one.nearest}, rho {one.rho:.2f}\n" for one in space.clips if one.flagged)

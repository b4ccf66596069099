"""Answers to questions about clips and models, each as JSON and as text: scores, trust, blame, memory."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from framefall.cascade.cascade import Cascade
from framefall.cascade.request import Quality
from framefall.data.folder import Folder
from framefall.data.loader import validation
from framefall.data.window import Window
from framefall.evaluate.metrics.suite import NamedVideo
from framefall.evaluate.report.page import overlap
from framefall.evaluate.report.table import table, to_json
from framefall.evaluate.sets.memorisation import Memorisation, describe, memorisation
from framefall.evaluate.stages import blame as blaming
from framefall.evaluate.stages.faults import QUANTITIES, law
from framefall.runs.certify import Certificate, as_json, trusted, validate
from framefall.runs.evaluate import Assessment, clips_of
from framefall.video import from_pixels

__all__ = ["blamed", "ranked", "remembered", "scored", "validate", "validated"]

Answer = tuple[str, str]  # JSON, and text to read
Meta = Mapping[str, Any]


def scored(result: Assessment, meta: Meta, ranking: Sequence[str] = ()) -> Answer:
    """Every metric with its interval; with a reference also the distances between the two sets."""
    distances = {one.name: _plain(asdict(one)) for one in result.distances}
    reasons = {one.name: one.reasons for one in result.clips}
    coverage = {one.name: None if math.isnan(one.coverage) else one.coverage for one in result.clips}
    more = {"skipped": dict(result.skipped), "reasons": reasons, "coverage": coverage, "ranking": list(ranking)}
    text = to_json(result.rows, {**meta, **more, **({"distances": distances} if distances else {})})
    lines = [table(result.rows)]
    for one in result.distances:
        value = f"not measurable: {one.reason}" if math.isnan(one.value) else f"{one.value:.3g}"
        span = "" if math.isnan(one.value) else f" ({one.low:.3g} .. {one.high:.3g}), real against real {one.floor:.3g}"
        lines.append(f"{one.name}  {value}{span}\n")
    lines += [f"{sentence}\n" for sentence in ranking]
    return text, "".join(lines)


def ranked(first: Assessment, second: Assessment, names: tuple[str, str]) -> list[str]:
    """Which of two sets of clips is better, a sentence a metric; none is where their intervals overlap."""
    theirs = {row.metric: row for row in second.rows}
    pairs = [(row, theirs[row.metric]) for row in first.rows if row.metric in theirs]
    return [overlap(ours, other, names) for ours, other in pairs if ours.n or other.n]


def validated(certificate: Certificate, meta: Meta) -> Answer:
    """Which metrics can be trusted on one user's footage, and for what."""
    said = trusted(certificate)
    width = max(len(name) for name in said)
    lines = [f"{name.ljust(width)}  {what}\n" for name, what in said.items()]
    head = f"{certificate.clips} segments, each damaged and each left as good as it was\n"
    return _json({**meta, "trusted": said, **as_json(certificate)}), head + "".join(lines)


def blamed(cascade: Cascade, folder: Folder, count: int, seed: int, quality: Quality, meta: Meta) -> Answer:
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
    real = [(f"{place} {clip.key}", _video(clip.pixels), clip.fps) for place, clip in enumerate(clips)]
    traces = blaming.cascade_traces(cascade, [clip.caption for clip in clips], quality, seed)
    told = QUANTITIES | {f"broken {name}": law(name) for name in ("continuity", "permanence")}
    result = blaming.blame(links, real, traces, shape.fps, told, seed)
    rows = [_plain({**asdict(row), "guilty": row.guilty}) for row in result.rows]
    verdicts = [{**_plain(asdict(one)), "text": str(one)} for one in result.verdicts]
    lines = [f"{'stage':<14}{'input':<11}{'quantity':<16}{'adds':>10}{'limit':>10}  n\n"]
    for row in result.rows:
        mark = "  <-" if row.guilty else ""
        lines.append(
            f"{row.stage:<14}{row.input:<11}{row.quantity:<16}{row.value:>10.4g}{row.limit:>10.4g}  {row.n}{mark}\n"
        )
    lines += [f"{one}\n" for one in result.verdicts] or ["no stage adds more than can be excused\n"]
    return _json({**meta, "rows": rows, "verdicts": verdicts}), "".join(lines)


def remembered(clips: Path, training: Path, held_out: Path, seed: int, meta: Meta) -> Answer:
    """Whether clips are copies of training clips, by what is in them and by how it moves."""
    skipped: list[tuple[str, str]] = []

    def read(path: Path) -> Iterator[NamedVideo]:
        return clips_of(path, skipped)

    found = memorisation(describe(read(clips)), describe(read(training)), describe(read(held_out)), seed)
    values = {"training": str(training), "skipped": dict(skipped), "spaces": [asdict(space) for space in found]}
    text = _json({**meta, **values})
    return text, "".join(line for space in found for line in _memory(space))


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


def _video(pixels: Any) -> torch.Tensor:
    return from_pixels(torch.from_numpy(pixels))[None]


def _json(values: Any) -> str:
    return json.dumps(_plain(values), indent=2) + "\n"


def _plain(values: Any) -> Any:
    """The same for JSON, which has no word for NaN or infinity."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values

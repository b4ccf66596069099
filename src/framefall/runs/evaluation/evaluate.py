"""Scores of clips on disk: clips in, report out; with real clips also beside those, with a rival set also ranked."""

import importlib.util
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from framefall.evaluate.metrics.observed import ENCODER
from framefall.evaluate.metrics.suite import METRICS, ClipScores, ScoreRow, measure, score_rows
from framefall.evaluate.report.table import distance_lines, period_lines, ranked, scores_of, table
from framefall.evaluate.sets.distribution import FEWEST, Distance
from framefall.evaluate.sets.registry import SET_METRICS
from framefall.jsonable import jsonable
from framefall.metric import AnyVideo
from framefall.progress import Each, Events, Note, Stepped, operation
from framefall.runs.evaluation.clips import (
    ClipGrid,
    ClipSet,
    NamedClip,
    OnDisk,
    Skip,
    clip_set,
    common_ground,
    read_all,
    without_common_moments,
)
from framefall.runs.on_ray import Place, spread

# what tells whether frames come evenly; they do not where some were left out between others
MOMENTS = frozenset({"unevenness", "stutter", "cadence", "repeated_frames"})
SetFeatures = dict[str, list[np.ndarray]]  # by set metric, an array a clip


@dataclass(frozen=True)
class Assessment:
    """The table, what it was made of, and the files that could not be read, with their reasons."""

    rows: list[ScoreRow]
    skipped: list[tuple[str, str]]
    clips: list[ClipScores] = field(default_factory=list)
    distances: list[Distance] = field(default_factory=list)  # between the sets, where there is a reference
    ranking: list[str] = field(default_factory=list)  # beside a rival set: a sentence a metric
    ground: ClipGrid | None = None  # what all clips were brought to, if they had to be
    files: Mapping[str, Path] = field(default_factory=dict)  # by clip

    def __str__(self) -> str:
        lines = [table(self.rows).rstrip("\n"), *period_lines(self.clips)]
        lines += [*distance_lines(self.distances), *self.ranking]
        return "\n".join(lines) + "\n"

    def values(self, **facts: Any) -> dict[str, Any]:
        """All of it as JSON has it; `facts` come first."""
        more: dict[str, Any] = {"skipped": dict(self.skipped), "ground": self.ground, "ranking": self.ranking}
        more |= {"reasons": {one.name: one.reasons for one in self.clips}}
        more |= {"period": {one.name: one.period for one in self.clips if one.period}}
        more |= {"coverage": {one.name: one.coverage for one in self.clips}}
        if self.distances:
            more["distances"] = {one.name: asdict(one) for one in self.distances}
        return dict(jsonable({**facts, **more, **scores_of(self.rows)}))


@operation
def assess(
    clips: str | Path,
    reference: str | Path | None = None,
    against: str | Path | None = None,
    workers: int = 1,
    on: Place | None = None,
) -> Events[Assessment]:
    """Every metric on every clip of a folder, or on one file; clips are decoded one at a time.

    With a `reference`, real clips: each clip is compared with the one of its name, the two sets by their features, and
    what real clips score themselves stands beside every number. With a set to rank these `against`, also which is
    better, metric by metric. Sets that differ in size, rate or length are brought to common ground, and a `Note` says
    so. `workers` threads change nothing but the time, nor does Ray (`on`), for which each clip is a part.
    """
    with spread(on) as each:
        found = yield from _assessed(clips, reference, against, workers, each)
    return found


def _assessed(
    clips: str | Path, reference: str | Path | None, against: str | Path | None, workers: int, each: Each | None
) -> Events[Assessment]:
    skipped: list[tuple[str, str]] = []

    def skip(name: str, reason: str) -> None:
        skipped.append((name, reason))

    ours = clip_set(clips, skip)
    real = clip_set(reference, skip) if reference is not None else None
    rival = clip_set(against, skip) if against is not None else None
    sets = [one for one in (ours, real, rival) if one is not None]
    ground = common_ground(*sets)
    for one in sets:
        for name in one.variable:
            fps = one.grids[name].fps
            yield Note(f"{name} has no even rate: it is measured as it is seen at {fps:.4g} frames a second")
    unlike = without_common_moments(ground, *sets)
    if ground is not None:
        yield Note(f"not alike: {', '.join(map(str, sets))}; all are measured as {ground}")
    if real is not None and not set(ours.files) & set(real.files):
        yield Note("no clip has a reference of its name: they are compared as sets")
    total = sum(len(one.files) for one in sets)
    compared = None if real is None else OnDisk(real, ground)
    features: list[SetFeatures] = [{name: [] for name in SET_METRICS} for _ in range(2)]
    if real is None or min(len(ours.files), len(real.files)) < FEWEST or not _has_encoder():
        features = [{}, {}]  # nothing to find out

    def scored(
        one: ClipSet, known: Mapping[str, AnyVideo] | None, into: SetFeatures, done: int
    ) -> Events[list[ClipScores]]:
        found: list[ClipScores] = []
        if each is None:
            measured = measure(_described(read_all(one, ground, skip), into), known, workers)
        else:
            measured = _elsewhere(each, one, real if known is not None else None, ground, into, skip)
        for scores in measured:
            if ground is not None and unlike:
                scores = _apart(scores, ground, unlike)
            found.append(scores)
            yield Stepped(done + len(found), total, scores.name)
        return found

    found = yield from scored(ours, compared, features[0], 0)
    if not found:
        raise ValueError(f"{clips} must hold at least one readable video, got none ({skipped[0][0]}: {skipped[0][1]})")
    floor = (yield from scored(real, None, features[1], len(found))) if real is not None else []
    other = (yield from scored(rival, compared, {}, len(found) + len(floor))) if rival is not None else []
    for name, reason in skipped:
        yield Note(f"skipped {name}: {reason}")
    rows = score_rows(found, floor)
    distances = (
        _distances(features[0], features[1], len(found), len(floor)) if real is not None and _has_encoder() else []
    )
    if ground is not None and unlike:
        distances = [_far(one, ground, unlike) for one in distances]
    names = (ours.root.name, rival.root.name) if rival is not None else ("", "")
    ranking = list(ranked(rows, score_rows(other, floor), names)) if rival is not None else []
    return Assessment(rows, skipped, found, distances, ranking, ground, ours.files)


def _no_moments(ground: ClipGrid, rates: Sequence[float]) -> str:
    given = " and ".join(f"{rate:.4g}" for rate in rates)
    return (
        f"clips of {given} frames a second have no moments in common with those of {ground.fps:.4g}; bring them to one"
        " rate first"
    )


def _apart(scores: ClipScores, ground: ClipGrid, rates: Sequence[float]) -> ClipScores:
    """Without what means nothing where clips were brought to a rate that is no whole fraction of their own."""
    void = [name for name in scores.scores if name in MOMENTS or METRICS[name].needs_reference]
    void = [name for name in void if name != "dynamic_ratio"]
    why = dict.fromkeys(void, _no_moments(ground, rates))
    return replace(
        scores, scores={**scores.scores, **dict.fromkeys(void, math.nan)}, reasons={**scores.reasons, **why}, period=0
    )


def _far(distance: Distance, ground: ClipGrid, rates: Sequence[float]) -> Distance:
    """The same for a distance between the sets, unless it is blind to time."""
    if "frame" in distance.name or math.isnan(distance.value):
        return distance
    nan = math.nan
    return replace(distance, value=nan, low=nan, high=nan, floor=nan, reason=_no_moments(ground, rates))


def _has_encoder() -> bool:
    return importlib.util.find_spec(ENCODER) is not None


@dataclass(frozen=True)
class _Part:
    """One clip to measure, and the one of its name if it is to be compared."""

    clip: ClipSet
    reference: ClipSet | None
    ground: ClipGrid | None
    described: tuple[str, ...]  # set metrics whose features are wanted

    def measured(self) -> tuple[ClipScores | None, SetFeatures, list[tuple[str, str]]]:
        """Its scores and features, or why it cannot be read."""
        skipped, features = list[tuple[str, str]](), {name: list[np.ndarray]() for name in self.described}
        read = read_all(self.clip, self.ground, lambda *why: skipped.append(why))
        known = None if self.reference is None else OnDisk(self.reference, self.ground)
        return next(measure(_described(read, features), known), None), features, skipped


def _elsewhere(
    each: Each, clips: ClipSet, real: ClipSet | None, ground: ClipGrid | None, into: SetFeatures, skip: Skip
) -> Iterator[ClipScores]:
    """The clips of a set as others have measured them, in the order and with the features that they have here."""
    parts = [
        _Part(clips.only(name), None if real is None else real.only(name), ground, tuple(into)) for name in clips.files
    ]
    for scores, features, skipped in each(_Part.measured, parts):
        for name, reason in skipped:
            skip(name, reason)
        for name, found in features.items():
            into[name] += found
        if scores is not None:
            yield scores


def _described(named: Iterable[NamedClip], features: SetFeatures) -> Iterator[NamedClip]:
    """The clips as they come, with the features that a set is known by kept on the way."""
    for name, video, fps in named:
        for metric, found in features.items():
            found.append(SET_METRICS[metric].features(video, fps))
        yield name, video, fps


def _distances(made: SetFeatures, real: SetFeatures, n: int, n_reference: int) -> list[Distance]:
    """The set distances; NaN with a reason for few clips, or for clips of unlike lengths."""
    if not made:
        return [metric.too_few(n, n_reference) for metric in SET_METRICS.values()]
    return [metric.between(made[name], real[name]) for name, metric in SET_METRICS.items()]

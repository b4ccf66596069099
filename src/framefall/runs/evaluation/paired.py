"""Two sets of clips of the same names, metric by metric: how far they differ, pair by pair, and how sure that is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from framefall.evaluate.metrics.suite import METRICS, ClipScores, measure
from framefall.metric import Interval, interval
from framefall.progress import Events, Note, Stepped, operation
from framefall.runs.evaluation.clips import clip_set, common_ground, read_all


@dataclass(frozen=True)
class PairedMetric:
    """One metric: both means, and the mean of first - second over the pairs in which both could be measured."""

    metric: str
    first: Interval
    second: Interval
    difference: Interval

    def says(self, names: tuple[str, str]) -> str:
        """Which of the two is better, if the interval of the difference says so."""
        found, better = self.difference, METRICS[self.metric].better
        if not found.n:
            return "not measurable on both sides"
        if found.n < 2:
            return "one pair says nothing of others"
        if found.low <= 0 <= found.high:
            return "no difference that these pairs show"
        if better == "one":
            return f"{names[0]} has more"
        return f"{names[0] if (found.value < 0) == (better == 'lower') else names[1]} is better"


@dataclass(frozen=True)
class Paired:
    """Both sets' scores by clip, and each metric."""

    first: Mapping[str, ClipScores]
    second: Mapping[str, ClipScores]
    metrics: list[PairedMetric]


@operation
def paired(first: str | Path, second: str | Path) -> Events[Paired]:
    """Every metric on both of each pair. Sets of unlike size, rate or length are brought to common ground (a note)."""
    sides = [clip_set(folder, _raise) for folder in (first, second)]
    if set(sides[0].files) != set(sides[1].files):
        raise ValueError(f"{first} and {second} must have clips of the same names")
    ground = common_ground(*sides)
    if ground is not None:
        yield Note(f"the two are not alike: both are measured as {ground}")
    total, done, found = sum(len(side.files) for side in sides), 0, list[dict[str, ClipScores]]()
    for side in sides:
        found.append({})
        for scores in measure(read_all(side, ground, _raise)):
            found[-1][scores.name] = scores
            done += 1
            yield Stepped(done, total, f"measuring {scores.name}")
    ours, theirs = found
    names = [name for name in METRICS if any(name in one.scores for one in ours.values())]
    return Paired(ours, theirs, [_metric(name, ours, theirs) for name in names])


def _metric(metric: str, ours: Mapping[str, ClipScores], theirs: Mapping[str, ClipScores]) -> PairedMetric:
    first, second = ([one[clip].scores.get(metric, math.nan) for clip in ours] for one in (ours, theirs))
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    return PairedMetric(metric, interval(first), interval(second), interval(gaps))


def _raise(name: str, reason: str) -> None:
    raise ValueError(f"{name} cannot be compared: {reason}")

"""Two settings side by side: the same seed, and the difference of every metric with its interval."""

from framefall.evaluate.metrics.suite import METRICS
from framefall.jsonable import jsonable
from framefall.metric import Interval as Measured
from framefall.progress import Events
from framefall.runs.evaluation.paired import paired
from framefall.studio.answers import CompareResult, Difference, Interval
from framefall.studio.jobs.clips import made
from framefall.studio.jobs.work import Work
from framefall.studio.schemas import Compare


def run(asked: Compare, work: Work) -> Events[CompareResult]:
    """Makes the clips of both sides, and compares them pair by pair."""
    a = yield from made(work, asked.a, asked.seed, asked.count, "a")
    b = yield from made(work, asked.b, asked.seed, asked.count, "b")
    found = yield from paired.inside(work.folder / "clips" / "a", work.folder / "clips" / "b")
    differences = [
        Difference(
            metric=one.metric,
            about=METRICS[one.metric].description,
            unit=METRICS[one.metric].unit,
            better=METRICS[one.metric].better,
            a=_interval(one.first),
            b=_interval(one.second),
            difference=_interval(one.difference),
            says=one.says(("a", "b")),
        )
        for one in found.metrics
    ]
    sides = [
        [
            clip.model_copy(update={"scores": jsonable(scores[clip.name].scores), "reasons": scores[clip.name].reasons})
            for clip in clips
        ]
        for clips, scores in ((a, found.first), (b, found.second))
    ]
    return CompareResult(a=sides[0], b=sides[1], metrics=differences)


def _interval(found: Measured) -> Interval:
    several = found.n > 1
    return Interval(
        **jsonable(
            {"value": found.value, "low": found.low if several else None, "high": found.high if several else None}
        ),
        n=found.n,
    )

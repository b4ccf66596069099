"""Rows of scores to read and as JSON: the whole table, the part that fits one clip, and what compares two sets."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from framefall.evaluate.metrics.suite import ClipScores, ScoreRow, protocol
from framefall.evaluate.report.real_video import Typical, real_video
from framefall.evaluate.sets.distribution import Distance
from framefall.jsonable import json_text
from framefall.physics.laws import LAWS

LINES = 12  # of a brief table, its heading and its last line among them
ASIDE = ("warp_error",)  # there to be compared with papers: blur and stillness win it
_ARROW = {"lower": "↓", "higher": "↑", "one": "→1"}
_REAL = "real video"


def table(rows: Sequence[ScoreRow]) -> str:
    """The rows in aligned columns, without columns that say nothing; what could not be measured is named below them.

    Of one clip there is no interval. Beside each number is the reference's own, or else what real video usually has.
    """
    text = _aligned([row for row in rows if row.n])
    absent = [row.metric for row in rows if not row.n]
    return text + (f"not measurable in any clip: {', '.join(absent)}\n" if absent else "")


def brief_table(rows: Sequence[ScoreRow], separate: bool, rest: str, notes: Sequence[str] = ()) -> str:
    """The scores that mean something for these clips in at most 12 lines, the worst beside real video first.

    `separate`: whether what the tracker follows are things apart from each other; laws of physics are read of such
    alone. `rest` says where all the others are; `notes` are lines of their own, before that.
    """
    typical = real_video()
    fit = [row for row in rows if row.n and row.metric not in ASIDE and (separate or row.metric not in LAWS)]
    fit.sort(key=lambda row: -_badness(row, typical.metrics.get(row.metric)))
    shown = fit[: LINES - 2 - len(notes)]
    last = f"{len(rows) - len(shown)} more in {rest}; real video: {typical.about}"
    return _aligned(shown) + "".join(f"{line}\n" for line in (*notes, last))


def scores_of(rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """`protocol`, `n` clips, and `metrics` by name; NaN is what could not be measured, and the interval of one clip."""
    typical = real_video().metrics
    metrics = {
        row.metric: {
            "value": row.value,
            "low": row.low if row.n > 1 else math.nan,
            "high": row.high if row.n > 1 else math.nan,
            "n": row.n,
            "not_measurable": row.clips - row.n,
            "better": row.better,
            "unit": row.unit,
            "floor": row.floor,
            "real_video": typical.get(row.metric),
            "per_clip": row.per_clip,
        }
        for row in rows
    }
    return {"protocol": protocol(), "n": max((row.clips for row in rows), default=0), "metrics": metrics}


def to_json(rows: Sequence[ScoreRow], meta: Mapping[str, Any] | None = None) -> str:
    """One JSON object: `meta` as it is, then the scores; NaN becomes null."""
    return json_text({**(meta or {}), **scores_of(rows)})


def distance_lines(distances: Sequence[Distance]) -> Iterator[str]:
    """A line a set distance; those that one reason keeps from being measured share theirs."""
    for one in distances:
        if not math.isnan(one.value):
            yield f"{one.name}: {one.value:.3g} ({one.low:.3g} .. {one.high:.3g}), real against real {one.floor:.3g}"
    for reason in dict.fromkeys(one.reason for one in distances if math.isnan(one.value)):
        names = ", ".join(one.name for one in distances if one.reason == reason)
        yield f"not measurable: {names}: {reason}"


def period_lines(clips: Sequence[ClipScores]) -> Iterator[str]:
    """A line for each period in which frames come, with how many clips come so; none where all come evenly."""
    for period, count in sorted(Counter(one.period for one in clips if one.period).items()):
        several = f" in {count} of {len(clips)} clips" if len(clips) > 1 else ""
        yield f"cadence: how much frames change repeats every {period} frames{several}"


def ranked(first: Sequence[ScoreRow], second: Sequence[ScoreRow], names: tuple[str, str]) -> Iterator[str]:
    """Which of two sets of clips is better, a sentence a metric that both have."""
    theirs = {row.metric: row for row in second}
    for row in first:
        if row.metric in theirs and (row.n or theirs[row.metric].n):
            yield rank(row, theirs[row.metric], names)


def rank(first: ScoreRow, second: ScoreRow, names: tuple[str, str]) -> str:
    """A sentence that ranks two sets of clips on one metric, or says that their intervals overlap."""
    if not first.n or not second.n:
        return f"{first.metric}: not measurable on both sides."
    if first.low <= second.high and second.low <= first.high:
        return f"{first.metric}: {names[0]} and {names[1]} are not ranked, their intervals overlap."
    ahead = _loss(first, first.value) < _loss(first, second.value)
    return f"{first.metric}: {names[0] if ahead else names[1]} is better than {names[1] if ahead else names[0]}."


def number(value: float) -> str:
    """A score as people read it; nothing for what is not one."""
    return "" if not math.isfinite(value) else f"{value:.4g}" if abs(value) < 10 else f"{value:.2f}"


def real_value(row: ScoreRow) -> str:
    """What real video scores: the reference's mean; or else what it usually has, with its interval."""
    typical = real_video().metrics.get(row.metric)
    if math.isfinite(row.floor) or typical is None:
        return number(row.floor)
    return f"{number(typical.value)} ({number(typical.low)} .. {number(typical.high)})"


def _aligned(rows: Sequence[ScoreRow]) -> str:
    lines = [_cells(row) for row in rows]
    columns = [
        name for name in ("metric", "value", "95% interval", "n", "better", "unit", _REAL) if _filled(lines, name)
    ]
    widths = {name: max([len(name), *(len(line[name]) for line in lines)]) for name in columns}
    shown = [dict.fromkeys(columns, ""), *lines]
    shown[0] = {name: name for name in columns}
    return "".join("  ".join(line[name].ljust(widths[name]) for name in columns).rstrip() + "\n" for line in shown)


def _filled(lines: Collection[Mapping[str, str]], column: str) -> bool:
    return any(line[column] for line in lines)


def _cells(row: ScoreRow) -> dict[str, str]:
    several = row.clips > 1
    away = f", not measurable ({row.clips - row.n} of {row.clips})" if row.n < row.clips else ""
    return {
        "metric": row.metric,
        "value": number(row.value),
        "95% interval": f"{number(row.low)} .. {number(row.high)}" if row.n > 1 else "",
        "n": f"{row.n}{away}" if several else "",
        "better": f"{_ARROW[row.better]} {row.better}",
        "unit": row.unit,
        _REAL: real_value(row),
    }


def _badness(row: ScoreRow, typical: Typical | None) -> float:
    """How much worse than real video, in real clips' own spread; of a law, in times what it forgives."""
    if row.metric in LAWS:
        law = LAWS[row.metric]
        forgiven = law.error(law.strict) if law.strict is not None else 0.5 * law.error(law.worst)
        return law.error(row.value) / max(forgiven, 1e-2) - 1
    if typical is None:
        return _loss(row, row.value) if row.better == "one" else 0.0
    return (_loss(row, row.value) - _loss(row, typical.value)) / max(typical.spread, 1e-3 * abs(typical.value), 1e-6)


def _loss(row: ScoreRow, value: float) -> float:
    """The value as something of which less is better."""
    if row.better == "one":
        return abs(math.log(max(value, 1e-9)))
    return value if row.better == "lower" else -value

"""Validity certificates: does a metric react to what it should, and only to that?

For each damage and metric: AUROC of damaged against real clips, and the share of damaged clips beyond a threshold
that 98 % of each placebo (a change that no one would call damage) stay below, and half as far again from the middle of
the real clips: some dozen clips tell too little of a tail. The threshold is found on every other clip, and placebos are
judged on those between. Which cells must detect and which must not react is declared beforehand (`bands.py`); a cell
outside its band fails.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framefall.metric import Better

Band = Literal["must_detect", "must_not_react", "free"]

MUST_AUROC, MUST_DETECT = 0.95, 0.90
QUIET_AUROC, QUIET_DETECT = (0.35, 0.65), 0.05  # a placebo cell is quiet if either holds
PLACEBO_SHARE = 98.0  # percentile of each placebo that the threshold lies at or above
MARGIN = 0.5  # of the way from the real clips' median to that percentile, on top
FEWEST = 8  # measured clips on both sides, or a cell is not measurable


@dataclass(frozen=True)
class Cell:
    """One damage seen by one metric."""

    damage: str
    metric: str
    auroc: float  # 1: every damaged clip is worse than every real one; 0.5: blind; below: prefers the damage
    detection: float  # share of damaged clips beyond the placebo threshold
    n: int  # damaged clips measured
    band: Band

    @property
    def inside(self) -> bool:
        """Whether the cell keeps to its band; a cell that must detect and cannot be measured does not."""
        if self.band == "must_detect":
            return self.n >= FEWEST and self.auroc >= MUST_AUROC and self.detection >= MUST_DETECT
        if self.band == "must_not_react" and self.n >= FEWEST:
            return QUIET_AUROC[0] <= self.auroc <= QUIET_AUROC[1] or self.detection <= QUIET_DETECT
        return True

    @property
    def gameable(self) -> bool:
        """The metric likes the damage better than the truth: it may stand only beside a gate that sees it."""
        return self.n >= FEWEST and self.auroc < QUIET_AUROC[0]


Values = Mapping[str, Sequence[float]]  # one value a clip, by metric; NaN where it could not be measured


def certify(
    real: Values,
    damaged: Mapping[str, Values],
    placebos: Mapping[str, Values],
    better: Mapping[str, Better],
    bands: Mapping[tuple[str, str], Band],
) -> list[Cell]:
    """A cell for each damage and each placebo by each metric, in their order.

    `bands` maps (damage, metric) to a band; placebos must not react unless it says otherwise. Of real clips and
    placebos the first, third, ... set a metric's threshold; placebos are judged on the others.
    """
    quiet = [real, *placebos.values()]
    thresholds = {
        name: threshold([values.get(name, ())[::2] for values in quiet], better[name], MARGIN) for name in better
    }
    placebos = {damage: {name: each[1::2] for name, each in values.items()} for damage, values in placebos.items()}
    cells = []
    for group, default in ((damaged, "free"), (placebos, "must_not_react")):
        for damage, values in group.items():
            for name in better:
                given = _finite(values.get(name, ()))
                band: Band = bands.get((damage, name), default)  # type: ignore[arg-type]
                score = auroc(_finite(real.get(name, ())), given, better[name])
                seen = detection(given, thresholds[name], better[name])
                cells.append(Cell(damage, name, score, seen, len(given), band))
    return cells


def auroc(real: Sequence[float], damaged: Sequence[float], better: Better) -> float:
    """The share of pairs whose damaged clip scores worse, ties half (Mann and Whitney 1947); NaN without pairs."""
    if not len(real) or not len(damaged):
        return math.nan
    sign = 1.0 if better == "lower" else -1.0
    difference = sign * (np.asarray(damaged)[:, None] - np.asarray(real)[None, :])
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def threshold(groups: Iterable[Sequence[float]], better: Better, margin: float = 0.0) -> float:
    """The value beyond which at most 2 % of each group lie, moved on by `margin` of its distance from the first group's
    median; NaN without any.
    """
    share = PLACEBO_SHARE if better == "lower" else 100.0 - PLACEBO_SHARE
    method: Literal["higher", "lower"] = "higher" if better == "lower" else "lower"
    groups = [_finite(group) for group in groups]
    limits = [float(np.percentile(values, share, method=method)) for values in groups if values]
    if not limits:
        return math.nan
    limit = max(limits) if better == "lower" else min(limits)
    usual = float(np.median(groups[0])) if groups[0] else limit
    return limit + margin * (limit - usual)


def detection(damaged: Sequence[float], beyond: float, better: Better) -> float:
    """The share of values that are strictly worse than the threshold; NaN for none."""
    if not len(damaged) or math.isnan(beyond):
        return math.nan
    values = np.asarray(damaged)
    return float((values > beyond).mean() if better == "lower" else (values < beyond).mean())


def markdown(cells: Sequence[Cell]) -> str:
    """The attribution matrix: damages down, metrics across, `AUROC detection%`; a cell outside its band is in bold."""
    metrics = list(dict.fromkeys(cell.metric for cell in cells))
    damages = list(dict.fromkeys(cell.damage for cell in cells))
    by_place = {(cell.damage, cell.metric): cell for cell in cells}
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for damage in damages:
        row = [_text(by_place.get((damage, metric))) for metric in metrics]
        lines.append(f"| {damage} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _text(cell: Cell | None) -> str:
    if cell is None or not cell.n:
        return ""
    text = f"{cell.auroc:.2f} {100 * cell.detection:.0f}%"
    mark = {"must_detect": "●", "must_not_react": "○", "free": ""}[cell.band]
    return f"{mark}{text}" if cell.inside else f"**{mark}{text}**"


def _finite(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values if not math.isnan(value)]

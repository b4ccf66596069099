"""The physics score: how far from the best trivial predictor to the renderer a model has come, 0 to 100.

Per clip and law q = ln(E_floor / E) / ln(E_floor / E_ceiling), from 0 to 1, and 0 for a clip that fails a gate. A law
is the mean over its clips, a scenario the geometric mean of its laws (permanence cannot be traded for smoothness), and
the score the mean over scenarios. Pure functions of tables.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from framefall.metric import DRAWS, Interval
from framefall.noise import Key
from framefall.physics.laws import LAWS, Law

LEAST_COVERAGE = 0.9  # of the due object-frames
DYNAMIC = (0.25, 4.0)  # of the reference's motion: less is frozen, more is noise
EPSILON = 1e-3  # an error below this is none


@dataclass(frozen=True)
class Anchor:
    """A law's errors in one scenario: of the best trivial predictor, and of the renderer through the same tracker."""

    floor: float
    ceiling: float

    @property
    def tells(self) -> bool:
        """Whether a trivial predictor fails at all; else the law says nothing in that scenario."""
        return self.floor > max(self.ceiling, EPSILON) * (1 + 1e-9)


@dataclass(frozen=True)
class LawRow:
    """One clip's value of one law, with the gates of that clip."""

    clip: str
    scenario: str
    law: str
    value: float  # NaN where the law does not apply to that clip
    coverage: float = 1.0
    count_right: bool = True  # as many objects as there should be
    dynamic_ratio: float = 1.0  # motion over the reference's

    @property
    def gated(self) -> bool:
        """Whether the clip counts 0, whatever its value."""
        low, high = DYNAMIC
        # written so that a NaN is gated as well
        return not (self.coverage >= LEAST_COVERAGE and self.count_right and low <= self.dynamic_ratio <= high)


@dataclass(frozen=True)
class ScenarioScore:
    """One scenario: 0..1, and each law's mean, 0..1."""

    value: float
    laws: dict[str, float]
    n: int  # clips


@dataclass(frozen=True)
class PhysicsScore:
    """0..100 with its 95 % interval over clips, and what it is made of."""

    score: Interval
    scenarios: dict[str, ScenarioScore]
    silent: tuple[tuple[str, str], ...]  # (scenario, law): a trivial predictor is perfect there, or no anchor is known


def quality(error: float, anchor: Anchor) -> float:
    """Q of one clip and law, 0..1; NaN for a NaN, and for a law that does not tell."""
    if math.isnan(error) or not anchor.tells:
        return math.nan
    best = max(anchor.ceiling, EPSILON)
    return float(np.clip(math.log(anchor.floor / max(error, EPSILON)) / math.log(anchor.floor / best), 0.0, 1.0))


def floor_of(errors: Mapping[str, Sequence[float]]) -> float:
    """The smallest of the trivial predictors' mean errors; NaN if none is measured."""
    means = [float(np.mean(kept)) for each in errors.values() if (kept := [e for e in each if not math.isnan(e)])]
    return min(means, default=math.nan)


def physics_score(rows: Iterable[LawRow], anchors: Mapping[tuple[str, str], Anchor], seed: int = 0) -> PhysicsScore:
    """The score of one model on one split; `anchors` are by (scenario, law). It does not depend on the rows' order."""
    tables, silent = _tables(rows, anchors)
    scenarios = {}
    totals = np.zeros(DRAWS)
    for name, (laws, table) in tables.items():
        weights = np.full((1, len(table)), 1.0)
        scenarios[name] = ScenarioScore(
            float(_geometric(_law_means(table, weights))[0]),
            dict(zip(laws, _law_means(table, weights)[0].tolist(), strict=True)),
            len(table),
        )
        generator = np.random.default_rng(Key(seed, "bootstrap/physics", name).word())
        draws = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), size=DRAWS)
        totals += _geometric(_law_means(table, draws.astype(np.float64)))
    if not scenarios:
        return PhysicsScore(Interval(math.nan, math.nan, math.nan, 0), {}, silent)
    mean = 100 * float(np.mean([scenario.value for scenario in scenarios.values()]))
    low, high = np.percentile(100 * totals / len(scenarios), (2.5, 97.5)).tolist()
    clips = sum(scenario.n for scenario in scenarios.values())
    return PhysicsScore(Interval(mean, min(low, mean), max(high, mean), clips), scenarios, silent)


def strict_pass(rows: Iterable[LawRow], seed: int = 0) -> Interval:
    """The share of clips that pass every gate and are within every law's threshold, with its 95 % interval."""
    passed: dict[tuple[str, str], bool] = {}
    for row in rows:
        clip = row.scenario, row.clip
        good = not row.gated and (row.scenario not in _law(row).scenarios or _law(row).passes(row.value))
        passed[clip] = passed.get(clip, True) and good
    values = np.array([passed[clip] for clip in sorted(passed)], dtype=np.float64)
    n = len(values)
    if not n:
        return Interval(math.nan, math.nan, math.nan, 0)
    # Wilson (1927): a share of 0 or 1 of few clips is not sure, as resamples of it would say
    mean, z = float(values.mean()), 1.959964
    middle, half = mean + z**2 / (2 * n), z * math.sqrt(mean * (1 - mean) / n + z**2 / (4 * n**2))
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return Interval(mean, max(0.0, min(low, mean)), min(1.0, max(high, mean)), n)


def _law(row: LawRow) -> Law:
    return LAWS[row.law]


def _tables(
    rows: Iterable[LawRow], anchors: Mapping[tuple[str, str], Anchor]
) -> tuple[dict[str, tuple[list[str], Float[np.ndarray, "clips laws"]]], tuple[tuple[str, str], ...]]:
    """Each scenario's laws and its table of q, NaN where a law does not apply to a clip."""
    cells: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    silent = set()
    for row in rows:
        if row.scenario not in _law(row).scenarios:
            continue
        anchor = anchors.get((row.scenario, row.law))
        if anchor is None or not anchor.tells:
            silent.add((row.scenario, row.law))
            continue
        q = quality(_law(row).error(row.value), anchor)
        cells[row.scenario][row.clip][row.law] = 0.0 if row.gated and not math.isnan(q) else q
    tables = {}
    for scenario in sorted(cells):
        clips = cells[scenario]
        laws = sorted({law for values in clips.values() for law in values})
        table = np.array([[clips[clip].get(law, math.nan) for law in laws] for clip in sorted(clips)])
        kept = np.isfinite(table).any(axis=0)
        if kept.any():
            tables[scenario] = [law for law, keep in zip(laws, kept, strict=True) if keep], table[:, kept]
    return tables, tuple(sorted(silent))


def _law_means(table: Float[np.ndarray, "clips laws"], weights: Float[np.ndarray, "draws clips"]) -> np.ndarray:
    """Each law's mean over its clips, each clip as often as a draw has it; NaN where a draw has none."""
    there = np.isfinite(table)
    counts = weights @ there
    sums = weights @ np.where(there, table, 0.0)
    return np.where(counts > 0, sums / np.maximum(counts, 1e-12), np.nan)


def _geometric(means: Float[np.ndarray, "draws laws"]) -> Float[np.ndarray, " draws"]:
    """The geometric mean of the laws that a draw has."""
    there = np.isfinite(means)
    logs = np.where(there, np.log(np.maximum(np.where(there, means, 1.0), 1e-300)), 0.0)
    zero = (there & (means <= 0)).any(axis=1)
    return np.where(zero, 0.0, np.exp(logs.sum(axis=1) / np.maximum(there.sum(axis=1), 1)))

"""The metrics by name; clips in, scores out, and a table row a metric."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from framefall.evaluate import coherence, fidelity
from framefall.evaluate.metric import DRAWS, AnyVideo, Better, Metric, interval

NamedVideo = tuple[str, AnyVideo, float]  # name, one clip, frames a second

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr", fidelity.psnr, "higher", "dB", True, "peak signal-to-noise ratio to the reference"),
        Metric("ssim", fidelity.ssim, "higher", "of 1", True, "structural similarity to the reference"),
        Metric(
            "flicker",
            coherence.flicker,
            "lower",
            "of the 0..1 range",
            False,
            "change between frames that motion does not explain",
        ),
        Metric(
            "luminance_flicker",
            coherence.luminance_flicker,
            "lower",
            "of the 0..1 range",
            False,
            "change of brightness where nothing moves",
        ),
    )
}


@dataclass(frozen=True)
class ClipScores:
    """One clip's score by metric; NaN says that it could not be measured."""

    name: str
    fps: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Row:
    """One metric over all clips: its mean, the 95 % interval, and the value of real video (the floor)."""

    metric: str
    value: float  # NaN when no clip could be measured
    low: float
    high: float
    n: int  # clips measured
    clips: int  # clips given
    better: Better
    unit: str
    floor: float = math.nan  # what real video itself scores; NaN when not known
    per_clip: dict[str, float] = field(default_factory=dict)

    def renamed(self, metric: str) -> "Row":
        """The same numbers under another name."""
        return replace(self, metric=metric)


def measure(videos: Iterable[NamedVideo], references: Mapping[str, AnyVideo] | None = None) -> list[ClipScores]:
    """Every metric on every clip (a video with batch 1).

    The reference of a clip is the one of its name; a metric that needs a reference is NaN without one.
    Without any references those metrics are left out.
    """
    metrics = [metric for metric in METRICS.values() if references is not None or not metric.needs_reference]
    measured: dict[str, ClipScores] = {}
    for name, video, fps in videos:
        if name in measured:
            raise ValueError(f"each clip must have a name of its own, got {name!r} twice; rename one of them")
        if video.shape[0] != 1:
            raise ValueError(f"clip {name} must be one clip (batch 1), got batch {video.shape[0]}; split it first")
        reference = (references or {}).get(name)
        scores = {metric.name: _score(metric, name, video, reference) for metric in metrics}
        measured[name] = ClipScores(name, fps, scores)
    return list(measured.values())


def rows(clips: Sequence[ClipScores], real: Sequence[ClipScores] = (), seed: int = 0) -> list[Row]:
    """One row a metric; `real` are the scores of real clips, whose mean is the floor to compare with."""
    names = [name for name in METRICS if any(name in clip.scores for clip in clips)]
    floors = {name: interval([clip.scores.get(name, math.nan) for clip in real]).value for name in names}
    table = []
    for name in names:
        metric = METRICS[name]
        per_clip = {clip.name: clip.scores.get(name, math.nan) for clip in clips}
        floor = math.nan if metric.needs_reference else floors[name]
        table.append(row(name, per_clip, metric.better, metric.unit, floor, seed))
    return table


def row(
    name: str, per_clip: dict[str, float], better: Better, unit: str, floor: float = math.nan, seed: int = 0
) -> Row:
    """The row of one number a clip."""
    mean = interval(list(per_clip.values()), seed)
    return Row(name, mean.value, mean.low, mean.high, mean.n, len(per_clip), better, unit, floor, per_clip)


def protocol() -> str:
    """Names the way of measuring: a hash of every metric's identity and of the constants behind it."""
    constants = {
        "version": 1,  # raise it when a formula changes and no constant does
        "metrics": [[m.name, m.better, m.unit, m.description] for m in METRICS.values()],
        "bootstrap": DRAWS,
        "fidelity": [fidelity.PSNR_CAP, fidelity.SSIM_WINDOW],
        "coherence": ["dis-medium", coherence.FLOW_SIDE, coherence.STILL, coherence.STATIC_SHARE],
    }
    return hashlib.blake2b(json.dumps(constants).encode(), digest_size=8).hexdigest()


def _score(metric: Metric, name: str, video: AnyVideo, reference: AnyVideo | None) -> float:
    if not metric.needs_reference:
        return float(metric.function(video)[0])
    if reference is None:
        return math.nan
    try:
        return float(metric.function(video, reference)[0])
    except ValueError as error:
        raise ValueError(f"clip {name}: {error}") from None

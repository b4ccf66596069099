"""The metrics by name; clips in, scores out, and a table row a metric."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from framefall import flow
from framefall.evaluate.metrics import cadence, coherence, features, fidelity, gates, motion
from framefall.evaluate.metrics.gates import gated
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.metric import DRAWS, AnyVideo, Better, Metric, interval
from framefall.physics.laws import LAWS, Law
from framefall.tracking.trajectory import Tracks

NamedVideo = tuple[str, AnyVideo, float]  # name, one clip, frames a second


def _law(law: Law) -> Metric:
    return Metric(law.name, lambda clip: clip.laws[law.name].value, law.better, law.unit, False, law.description)


def _features(clip: ObservedClip, *reference: ObservedClip) -> float:
    ours, theirs = clip.embeddings, [other.embeddings for other in reference]
    if ours is None or None in theirs:
        return math.nan
    return features.tfd(ours, theirs[0]) if theirs else features.frame_consistency(ours)  # type: ignore[arg-type]


_SHARE = "of 1"
_RANGE = "of the 0..1 range"
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr", lambda clip, real: float(fidelity.psnr(clip.video, real.video)[0]), "higher", "dB", True,
               "peak signal-to-noise ratio to the reference"),
        Metric("ssim", lambda clip, real: float(fidelity.ssim(clip.video, real.video)[0]), "higher", _SHARE, True,
               "structural similarity to the reference"),
        Metric("flicker", lambda clip: coherence.flicker(clip.motion), "lower", _RANGE, False,
               "change between frames that motion does not explain"),
        Metric("luminance_flicker", lambda clip: coherence.luminance_flicker(clip.motion), "lower", _RANGE, False,
               "change of brightness where nothing moves"),
        Metric("warp_error", lambda clip: motion.warp_error(clip.motion), "lower", "squared, of the range", False,
               "what warping along the flow leaves; for comparison only"),
        Metric("unevenness", lambda clip: motion.unevenness(clip.motion), "lower", _SHARE, False,
               "change of velocity from frame to frame"),
        Metric("stutter", lambda clip: clip.cadence.stutter, "lower", "times", False,
               "change at every second frame over the change between"),
        Metric("cadence", lambda clip: clip.cadence.strength, "lower", _SHARE, False,
               "strength of any period of 2 to 8 frames in how much they change"),
        Metric("dynamic_degree", lambda clip: motion.dynamic_degree(clip.motion), "higher", "heights a second", False,
               "speed of the fastest 5 % of the pixels; more is not better, but none voids others"),
        Metric("dynamic_ratio", lambda clip, real: motion.dynamic_ratio(clip.motion, real.motion), "one",
               "times the reference's", True, "motion against the reference's"),
        Metric("repeated_frames", lambda clip: motion.repeated_frames(clip.motion), "lower", _SHARE, False,
               "frames that repeat the one before"),
        Metric("longest_still", lambda clip: motion.longest_still(clip.motion), "lower", _SHARE, False,
               "longest stretch in which nothing happens"),
        Metric("tof", lambda clip, real: motion.tof(clip.motion, real.motion), "lower", "pixels", True,
               "difference of motion to the reference"),
        Metric("frame_consistency", _features, "higher", _SHARE, False,
               "likeness to the frame before and the first one (EfficientNet-Lite0)"),
        Metric("tfd", _features, "lower", "100 x cosine distance", True,
               "difference in pace of frame features to the reference (EfficientNet-Lite0)"),
        *(_law(law) for law in LAWS.values() if law.needs == "video"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class ClipScores:
    """One clip's score by metric; NaN: it could not be measured, or a gate voids it, and `reasons` says why."""

    name: str
    fps: float
    scores: dict[str, float]
    reasons: dict[str, str] = field(default_factory=dict)
    coverage: float = math.nan  # share of the due object-frames that tracking followed
    separate: bool = False  # whether what was tracked are things apart, of which laws can be read
    period: int = 0  # frames, in which how much they change repeats; 0 where no period is strong enough
    tracks: Tracks | None = field(default=None, repr=False, compare=False)  # of its objects, as they were measured


@dataclass(frozen=True)
class ScoreRow:
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


def measure(
    videos: Iterable[NamedVideo], references: Mapping[str, AnyVideo] | None = None, workers: int = 1
) -> Iterator[ClipScores]:
    """Every metric on every clip, clip by clip in their order; `workers` threads, which change nothing but the time.

    The reference of a clip is the one of its name; a metric that needs a reference is NaN without one.
    Without any references those metrics are left out.
    """
    names: set[str] = set()

    def checked() -> Iterator[NamedVideo]:
        for name, video, fps in videos:
            if name in names:
                raise ValueError(f"each clip must have a name of its own, got {name!r} twice; rename one of them")
            if video.shape[0] != 1:
                raise ValueError(f"clip {name} must be one clip (batch 1), got batch {video.shape[0]}; split it first")
            names.add(name)
            yield name, video, fps

    def one(named: NamedVideo) -> ClipScores:
        return _measure(*named, references)

    if workers == 1:
        yield from map(one, checked())
        return
    with ThreadPoolExecutor(workers) as pool:  # flow, networks and resizing run outside Python's lock
        waiting = []
        for named in checked():
            waiting.append(pool.submit(one, named))
            if len(waiting) > workers:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _measure(name: str, video: AnyVideo, fps: float, references: Mapping[str, AnyVideo] | None) -> ClipScores:
    clip = ObservedClip(video, fps)
    real = references.get(name) if references is not None else None
    other = None if real is None else ObservedClip(real, fps)
    scores, reasons = dict[str, float](), dict[str, str]()
    for metric in METRICS.values():
        if metric.needs_reference and references is None:
            continue
        if metric.needs_reference and other is None:
            scores[metric.name], reasons[metric.name] = math.nan, "there is no reference of its name"
            continue
        try:
            scores[metric.name] = metric.function(*((clip, other) if metric.needs_reference else (clip,)))
        except ValueError as error:
            raise ValueError(f"clip {name}: {error}") from None
        if metric.name in LAWS and math.isnan(scores[metric.name]):
            reasons[metric.name] = clip.laws[metric.name].reason
    reasons |= dict.fromkeys(("stutter", "cadence"), clip.cadence.reason) if clip.cadence.reason else {}
    scores, shut = gated(scores)
    period, tracks = 0 if "cadence" in shut else clip.cadence.period, clip.tracks
    return ClipScores(name, fps, scores, {**reasons, **shut}, float(tracks.coverage), clip.separate, period, tracks)


def score_rows(clips: Sequence[ClipScores], real: Sequence[ClipScores] = (), seed: int = 0) -> list[ScoreRow]:
    """One row a metric; `real` are the scores of real clips, whose mean is the floor to compare with."""
    names = [name for name in METRICS if any(name in clip.scores for clip in clips)]
    floors = {name: interval([clip.scores.get(name, math.nan) for clip in real]).value for name in names}
    table = []
    for name in names:
        metric = METRICS[name]
        per_clip = {clip.name: clip.scores.get(name, math.nan) for clip in clips}
        floor = math.nan if metric.needs_reference else floors[name]
        table.append(score_row(name, per_clip, metric.better, metric.unit, floor, seed))
    return table


def score_row(
    name: str, per_clip: dict[str, float], better: Better, unit: str, floor: float = math.nan, seed: int = 0
) -> ScoreRow:
    """The row of one number a clip."""
    mean = interval(list(per_clip.values()), seed)
    return ScoreRow(
        name, mean.value, mean.low, mean.high, mean.n, len(per_clip), better, unit, floor, per_clip=per_clip
    )


def protocol() -> str:
    """Names the way of measuring: a hash of every metric's identity and of the constants behind it."""
    constants = {
        "version": 2,  # raise it when a formula changes and no constant does
        "metrics": [[m.name, m.better, m.unit, m.description] for m in METRICS.values()],
        "bootstrap": DRAWS,
        "fidelity": [fidelity.PSNR_CAP, fidelity.SSIM_WINDOW],
        "coherence": ["dis-medium", flow.GRID_SIDE, flow.LOOK_SIDE, coherence.STILL, coherence.STATIC_SHARE],
        "cadence": [cadence.LEVEL, cadence.NOISE, cadence.MOVES, cadence.TRIMMED, cadence.MOST, cadence.SLIGHT],
        "gates": [gates.STILL_MOST, gates.RATIO, gates.REPEATS_MOST],
    }
    return hashlib.blake2b(json.dumps(constants).encode(), digest_size=8).hexdigest()

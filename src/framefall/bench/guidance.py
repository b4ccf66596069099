"""What each kind of guidance buys: the same clips of captions with it and without it, of the same seeds.

Each row turns one thing on. What it does to a clip is the difference between the two clips of one name, so that what a
caption is worth by itself counts for nothing. A row buys what it makes better by more than chance (the 95 % interval of
the mean difference is above 0) and by enough to matter, and costs what it makes worse.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade
from framefall.cascade.known import Known
from framefall.cascade.request import Quality, Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.diffusion.guidance_config import Guidance
from framefall.evaluate.metrics.cadence import cadence
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.flow import frames_of
from framefall.metric import Interval, interval
from framefall.physics.laws import LAWS, laws
from framefall.progress import Events, Stepped, operation
from framefall.tracking.tracker import track
from framefall.video import Video
from framefall.worlds.captions.sentences import describe
from framefall.worlds.world import version_trained_on

MODEL = "worlds"
TOGETHER = 8  # clips in a batch


@dataclass(frozen=True)
class Setting:
    """A way to make the clips."""

    guidance: Guidance
    given: bool = False  # the first frames are shown
    weaker: bool = False  # a weaker model is there


@dataclass(frozen=True)
class Row:
    """A kind of guidance: with it and without it."""

    on: Setting
    off: Setting


@dataclass(frozen=True)
class Measure:
    """A number of a clip: its name in a verdict, and which way is better."""

    words: str
    better: int  # 1: more, -1: less
    least: float  # a smaller difference is nothing to anybody


MEASURES = {
    "adherence": Measure("caption obedience", 1, 0.01),  # share of a caption's attributes that the clip shows
    "caption_exact": Measure("exact captions", 1, 0.01),  # share of clips that show all of them
    "physics": Measure("physics", 1, 0.01),  # share of the laws that apply and can be measured that hold
    "blur": Measure(
        "sharpness", -1, 0.02
    ),  # |log| of the difference between neighbouring pixels over that of the right clip
    "stutter": Measure("even frames", -1, 0.02),
    "beyond_range": Measure("range", -1, 0.005),  # share of values beyond -1..1, which are cut
}


def _row(on: Mapping[str, Any], off: Mapping[str, Any], given: bool = False, weaker: bool = False) -> Row:
    return Row(
        Setting(Guidance(**on), given, weaker),
        Setting(Guidance(**off), given),
    )


TEXT = {"scale": 2.5}
LOUD = {"scale": 6.0}
ROWS: dict[str, Row] = {
    "classifier_free": _row(TEXT, {}),
    "interval": _row(TEXT, TEXT | {"interval": (0.0, 1.0)}),
    "rescale": _row(TEXT | {"rescale": 0.7}, TEXT),
    "threshold": _row(LOUD | {"threshold": 99.5}, LOUD),
    "oscillate": _row(TEXT | {"oscillate": (1.0, 6)}, TEXT),
    "temporal": _row(TEXT | {"temporal_scale": 1.3}, TEXT),
    "history": _row(TEXT | {"history_scale": 1.5}, TEXT, given=True),
    "weaker": _row({"weaker_scale": 1.5}, {}, weaker=True),
}


@dataclass
class Clips:
    """What a setting made."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in MEASURES})
    seconds: list[float] = field(default_factory=list)


@operation
def guidance_bench(
    model: str | None = None,
    clips: int = 12,
    seed: int = 0,
    weaker: str | None = None,
    quality: Quality = "best",
    rows: Mapping[str, Row] = ROWS,
) -> Events[dict[str, Any]]:
    """Every row on the first stage of a model that is trained on worlds: `clips` in all, of held-out captions.

    `results` has for each row: `on` and `off`, the settings; for each of `MEASURES` `{"on", "off", "gain"}`, means with
    95 % intervals and `n`, where the gain is of the differences clip by clip and above 0 is better; `seconds`, CPU time
    of a clip, `{"on", "off", "ratio"}`; `buys` and `costs`, lists of measures; `verdict`, a sentence. `chance` is how
    many of all comparisons would be taken for better where nothing is: one in forty. `table` is the same to read.

    The row of autoguidance needs `weaker`, a worse model of the same kind, and is left out without one.
    """
    cascade = load_cascade(model or MODEL)
    base = cascade.stages[0]
    walked = None if weaker is None else cascade.guided_by(load_cascade(weaker))
    shape, version = base.config.shape, version_trained_on(cascade.config.trained_on)
    protocol = Protocol(seed=seed, frames=shape.frames, fps=shape.fps, size=shape.height, version=version)
    protocol = replace(protocol, clips=-(-clips // len(protocol.scenarios)))
    most = base.task.most_given(shape.frames)
    chosen = {
        name: row
        for name, row in rows.items()
        if (walked or not row.on.weaker) and (most >= protocol.given or not row.on.given)
    }
    todo = list(cases(protocol, "id"))
    settings = list(dict.fromkeys(one for row in chosen.values() for one in (row.on, row.off)))
    made: dict[Setting, Clips] = {one: Clips() for one in settings}
    done, total = 0, len(settings) * len(todo)
    for batch in batches(todo):
        for setting in settings:  # in turns, so that a machine that slows down slows all of them
            yield Stepped(done, total, f"clips of {len(settings)} settings")
            used = walked if setting.weaker and walked is not None else cascade
            _make(used, setting, batch, quality, made[setting])
            done += len(batch)
    found = {name: _compared(row, made[row.on], made[row.off]) for name, row in chosen.items()}
    return {
        "results": found,
        "ratios": {f"{name}_seconds": each["seconds"]["ratio"] for name, each in found.items()},
        "protocol": {
            "model": model or MODEL,
            "weaker": weaker,
            "quality": quality,
            "clips": len(todo),
            "seed": seed,
            "version": version,
        },
        "chance": len(found) * len(MEASURES) / 40,
        "table": [_line(name, each) for name, each in found.items()],
    }


def _make(cascade: Cascade, setting: Setting, batch: Sequence[Case], quality: Quality, into: Clips) -> None:
    """The clips of a batch, and what they are worth."""
    stage, protocol = cascade.stages[0], batch[0].protocol
    request = Request(
        tuple(describe(case.log.scene) for case in batch),
        frames=batch[0].frames,
        until=stage.name,
        quality=quality,
        seed=protocol.seed,
        names=tuple(case.name for case in batch),
        guidance=setting.guidance,
        known=(Known(video=_beginnings(batch), fps=protocol.fps),) if setting.given else (),
    )
    began = time.process_time()
    videos = cascade.sample(request).cpu()
    into.seconds += [(time.process_time() - began) / len(batch)] * len(batch)
    for case, video in zip(batch, videos, strict=True):
        for name, value in measured(case, video[None], setting.given).items():
            into.values[name].append(value)


def measured(case: Case, video: Video, given: bool = False) -> dict[str, float]:
    """Each of `MEASURES` of one clip of a case's caption; NaN where it cannot be measured.

    Where the first frames were given the case's own future is the right one, and its laws are held against it.
    """
    protocol, said = case.protocol, case.log.scene.attributes
    tracks = track(video, protocol.fps, scene=case.known if given else None)
    scores = laws(tracks, case.truth if given else None, said, version=protocol.version)
    share = scores["adherence"].value
    held = [
        float(LAWS[name].passes(score.value))
        for name, score in scores.items()
        if name != "adherence" and LAWS[name].strict is not None and not math.isnan(score.value)
    ]
    return {
        "adherence": share,
        "caption_exact": math.nan if math.isnan(share) else float(share >= 1),
        "physics": float(np.mean(held)) if held else math.nan,
        "blur": abs(math.log(max(edges(video), 1e-6) / edges(case.video))),
        "stutter": cadence(frames_of(video)).stutter,
        "beyond_range": float((video.abs() > 1).float().mean()),
    }


def edges(video: Video) -> float:
    """The root of the mean square difference between neighbours in a frame; without the square an edge that is soft
    would count as much as a sharp one.
    """
    shown = video.clamp(-1, 1)
    return float((shown.diff(dim=-1).square().mean() + shown.diff(dim=-2).square().mean()).sqrt())


def _beginnings(batch: Sequence[Case]) -> Tensor:
    return torch.cat([case.video[:, :, : case.protocol.given] for case in batch])


def batches(todo: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases of as many frames, and of one size, together."""
    alike: dict[tuple[int, ...], list[Case]] = {}
    for case in todo:
        alike.setdefault((case.frames, *case.video.shape[3:]), []).append(case)
    for group in alike.values():
        for first in range(0, len(group), TOGETHER):
            yield group[first : first + TOGETHER]


def _compared(row: Row, on: Clips, off: Clips) -> dict[str, Any]:
    """A row's numbers and its verdict."""
    found: dict[str, Any] = {"on": asdict(row.on.guidance), "off": asdict(row.off.guidance)}
    buys, costs = [], []
    for name, measure in MEASURES.items():
        ours, theirs = on.values[name], off.values[name]
        gain = interval([measure.better * (one - other) for one, other in zip(ours, theirs, strict=True)])
        found[name] = {"on": interval(ours), "off": interval(theirs), "gain": gain}
        if gain.low > 0 and gain.value >= measure.least:
            buys.append(name)
        elif gain.high < 0 and gain.value <= -measure.least:
            costs.append(name)
    ratios = [one / other for one, other in zip(on.seconds, off.seconds, strict=True)]
    ratio = {"median": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}
    found["seconds"] = {"on": interval(on.seconds), "off": interval(off.seconds), "ratio": ratio}
    found |= {"buys": buys, "costs": costs, "verdict": verdict(buys, costs, ratio["median"])}
    return found


def verdict(buys: Sequence[str], costs: Sequence[str], seconds: float) -> str:
    """What a row buys and costs, in words; calls are a cost, or fewer of them a gain, from a tenth of the time on."""
    bought = [MEASURES[name].words for name in buys] + (["time"] if seconds < 0.9 else [])
    paid = [MEASURES[name].words for name in costs] + (["time"] if seconds > 1.1 else [])
    if not bought:
        return f"buys nothing{', costs ' + ', '.join(paid) if paid else ''}: off"
    return f"buys {', '.join(bought)}{'; costs ' + ', '.join(paid) if paid else ''}"


def _line(name: str, found: Mapping[str, Any]) -> dict[str, str]:
    gains = {measure: _said(found[measure]["gain"]) for measure in MEASURES}
    return {
        "guidance": name,
        **gains,
        "seconds": f"x {found['seconds']['ratio']['median']:.2f}",
        "verdict": found["verdict"],
    }


def _said(gain: Interval) -> str:
    return f"{gain.value:+.3f} ({gain.low:+.3f} .. {gain.high:+.3f})" if gain.n else "-"

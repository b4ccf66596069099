"""Going on from a case's first frames: the model and every reference, on one split."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from framefall.bench.guidance import batches
from framefall.cascade.cascade import Cascade
from framefall.cascade.known import Known
from framefall.cascade.request import Quality, Request
from framefall.evaluate.worldbench.benchmark import (
    Case,
    Predictor,
    Protocol,
    Summary,
    Verdict,
    anchors,
    cases,
    judge,
    summary,
)
from framefall.metric import Interval, interval
from framefall.noise import Key
from framefall.progress import Events, Stepped
from framefall.video import Video
from framefall.worlds.captions.sentences import describe

Found = dict[str, Any]


def continued(cascade: Cascade, case: Case, quality: Quality) -> Video:
    """The model's clip that begins with the case's first frames, for the case's caption."""
    return _continued(cascade, [case], quality)


def per_frame(cascade: Cascade, case: Case, quality: Quality) -> Video:
    """The naive baseline: the same model makes each frame alone, as an image of the same caption."""
    stage, frames = cascade.stages[0], case.frames
    condition = stage.condition([describe(case.log.scene)] * frames, frames=1, fps=case.protocol.fps)
    keys = [Key(case.protocol.seed, "per frame", f"{case.name}/{frame}") for frame in range(frames)]
    size = case.view.height, case.view.width
    *_, last = stage.sample(condition, None, size, range(1), keys, stage.sampling(quality))
    return last.x.permute(2, 1, 0, 3, 4).cpu()


def scored(
    cascade: Cascade, protocol: Protocol, split: str, simple: Mapping[str, Predictor], quality: Quality
) -> Events[Found]:
    """The scores of a split in the benchmark's words, of the model where it can go on from frames.

    `references` has every predictor's; `velocity_error_of` splits the relative velocity error by scenario.
    """
    given = list(cases(protocol, split))
    makers = {name: _each(given, predict) for name, predict in simple.items()}
    makers["per_frame"] = _each(given, lambda case: per_frame(cascade, case, quality))
    if cascade.stages[0].task.most_given(protocol.frames) >= protocol.given:
        makers["model"] = _all_continued(cascade, given, quality)
    found: dict[str, dict[str, Verdict]] = {name: {} for name in makers}
    for place, (name, clips) in enumerate(makers.items()):
        for case, video in clips:
            yield Stepped(place * len(given) + len(found[name]), len(makers) * len(given), f"{split}: {name}")
            found[name][case.name] = judge(case, video)
    verdicts = {name: [judged[case.name] for case in given] for name, judged in found.items()}
    levels = anchors(verdicts)
    rows = {name: summary(each, verdicts["renderer"], levels, protocol.seed) for name, each in verdicts.items()}
    tables = {name: _table(rows[name], verdicts[name], protocol) for name in rows}
    shown = "model" if "model" in rows else "nearest_training"
    return {
        **tables[shown],
        "predictor": shown,
        "scenarios": rows[shown].physics.scenarios,
        "references": tables,
    }


def _table(row: Summary, verdicts: Sequence[Verdict], protocol: Protocol) -> Found:
    errors: dict[str, list[float]] = {scenario: [] for scenario in protocol.scenarios}
    for verdict in verdicts:
        errors[verdict.case.scenario].append(verdict.laws["velocity_error"].value)
    split: dict[str, Interval] = {name: interval(each, protocol.seed) for name, each in errors.items()}
    return {**row.values, "velocity_error_of": split}


def _each(given: Sequence[Case], predict: Predictor) -> Iterator[tuple[Case, Video]]:
    for case in given:
        yield case, predict(case)


def _all_continued(cascade: Cascade, given: Sequence[Case], quality: Quality) -> Iterator[tuple[Case, Video]]:
    for batch in batches(given):
        yield from zip(batch, _continued(cascade, batch, quality).split(1), strict=True)


def _continued(cascade: Cascade, batch: Sequence[Case], quality: Quality) -> Tensor:
    protocol = batch[0].protocol
    given = torch.cat([case.video[:, :, : protocol.given] for case in batch])
    request = Request(
        tuple(describe(case.log.scene) for case in batch),
        known=(Known(video=given, fps=protocol.fps),),
        frames=batch[0].frames,
        until=cascade.stages[0].name,
        quality=quality,
        seed=protocol.seed,
        names=tuple(case.name for case in batch),
    )
    return cascade.sample(request).cpu()


def over(values: Sequence[float], real: Sequence[float], seed: int) -> Interval:
    """Values as multiples of the mean of the real clips', with the interval of what was made."""
    usual = interval(real, seed).value
    return interval([value / usual if usual > 0 else math.nan for value in values], seed)

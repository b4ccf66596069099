"""The world benchmark of a trained cascade: continuation, text alone, and what its denoiser expects."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from framefall.cascade.cascade import Cascade
from framefall.cascade.known import Known
from framefall.cascade.request import Quality, Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.evaluate.metrics.cadence import cadence
from framefall.evaluate.stages.blame import cascade_links
from framefall.evaluate.stages.likelihood import overall
from framefall.evaluate.stages.retention import Retention, blend, retention
from framefall.evaluate.worldbench.benchmark import (
    SPLITS,
    Case,
    Predictor,
    Protocol,
    Verdict,
    anchors,
    cases,
    judge,
    references,
    summary,
)
from framefall.flow import frames_of
from framefall.jsonable import jsonable
from framefall.metric import interval
from framefall.noise import Key
from framefall.physics.evidence import gather
from framefall.physics.flight import falls
from framefall.physics.laws import laws
from framefall.progress import Events, Stepped, operation
from framefall.runs.evaluation.diagnose import expectations
from framefall.tracking.tracker import track
from framefall.video import Video
from framefall.worlds.captions.sentences import describe
from framefall.worlds.violations.registry import VIOLATIONS
from framefall.worlds.world import version_trained_on

BenchScores = dict[str, Any]


@operation
def worlds_bench(
    model: str | None, clips: int, seed: int = 0, quality: Quality = "fast", version: int | None = None
) -> Events[BenchScores]:
    """Every split and every reference; with a model also its continuations, its clips of captions alone, and its
    expectations. The protocol is cut to what the model's base stage makes, in the version of the worlds that it was
    trained on if none is said.
    """
    cascade = None if model is None else load_cascade(model)
    if version is None:
        version = 1 if cascade is None else version_trained_on(cascade.config.trained_on)
    protocol = Protocol(clips=clips, seed=seed, version=version)
    if cascade is not None:
        shape = cascade.stages[0].config.shape
        protocol = replace(protocol, frames=shape.frames, fps=shape.fps, size=shape.height)
    predictors: dict[str, Predictor] = references(protocol)
    if cascade is not None:
        predictors["per_frame"] = lambda case: per_frame(cascade, case, quality)
        if cascade.stages[0].task.most_given(protocol.frames) >= protocol.given:
            predictors["model"] = lambda case: continued(cascade, case, quality)
    total = len(predictors) * sum(len(protocol.scenarios) * protocol.count(split) for split in SPLITS)
    done, results = 0, dict[str, Any]()
    for split in SPLITS:
        given = list(cases(protocol, split))
        verdicts: dict[str, list[Verdict]] = {}
        for name, predict in predictors.items():
            verdicts[name] = []
            for case in given:
                verdicts[name].append(judge(case, predict(case)))
                done += 1
                yield Stepped(done, total, f"{split} {name}")
        levels = anchors(verdicts)
        rows = {name: summary(found, verdicts["renderer"], levels, seed) for name, found in verdicts.items()}
        shown = rows.get("model", rows["nearest_training"])
        results[split.replace("-", "_")] = {
            **shown.values,
            "predictor": "model" if "model" in rows else "nearest_training",
            "scenarios": shown.physics.scenarios,
            "references": {name: one.values for name, one in rows.items()},
        }
    if cascade is not None:
        first = results["id"]
        yield Stepped(done, total, "violation of expectation")
        judged = expectations(cascade.stages[0], clips, seed, protocol.scenarios, tuple(VIOLATIONS), version)
        first["violation_of_expectation_error"] = overall(judged, seed)
        first["violations"] = {
            one.violation: {**asdict(one.error), "null": one.null, "note": one.note, "rejected": one.rejected}
            for one in judged
        }
        yield Stepped(done, total, "captions alone")
        first["text"] = captions_alone(cascade, protocol, quality)
        first["caption_exact"] = first["text"]["caption_exact"]
        yield Stepped(done, total, "temporal super-resolution")
        first["temporal_sr"] = temporal_retention(cascade, protocol, quality)
    values: BenchScores = jsonable({"results": {"model": model}, "protocol": protocol, **results})
    return values


def continued(cascade: Cascade, case: Case, quality: Quality) -> Video:
    """The model's clip that begins with the case's first frames, for the case's caption."""
    given = case.video[:, :, : case.protocol.given]
    request = Request(
        describe(case.log.scene),
        known=(Known(video=given, fps=case.protocol.fps),),
        frames=case.frames,
        until=cascade.stages[0].name,
        quality=quality,
        seed=case.protocol.seed,
        names=(case.name,),
    )
    return cascade.sample(request).cpu()


def per_frame(cascade: Cascade, case: Case, quality: Quality) -> Video:
    """The naive baseline: the same model makes each frame alone, as an image of the same caption."""
    stage, frames = cascade.stages[0], case.frames
    condition = stage.condition([describe(case.log.scene)] * frames, frames=1, fps=case.protocol.fps)
    keys = [Key(case.protocol.seed, "per frame", f"{case.name}/{frame}") for frame in range(frames)]
    size = case.view.height, case.view.width
    *_, last = stage.sample(condition, None, size, range(1), keys, stage.sampling(quality))
    return last.x.permute(2, 1, 0, 3, 4).cpu()


def captions_alone(cascade: Cascade, protocol: Protocol, quality: Quality, samples: int = 4) -> BenchScores:
    """Clips of captions alone: does each show what was said, and do they fall as the world's clips do?

    No future is the right one here: law residuals and the distribution of fitted gravities are all there is to judge.
    """
    exact, shares, permanence, stutters = list[float](), list[float](), list[float](), list[float]()
    ours, theirs = list[float](), list[float]()
    for case in cases(replace(protocol, clips=max(1, protocol.clips // samples)), "id"):
        said = case.log.scene.attributes
        real = gather(track(case.video, protocol.fps), None, said)
        theirs += [g / protocol.size for g, _ in falls(real)]
        for sample in range(samples):
            request = Request(
                describe(case.log.scene),
                frames=case.frames,
                until=cascade.stages[0].name,
                quality=quality,
                seed=protocol.seed + sample,
                names=(case.name,),
            )
            video = cascade.sample(request).cpu()
            tracks = track(video, protocol.fps)
            found = laws(tracks, None, said, version=protocol.version)
            share = found["adherence"].value
            exact.append(math.nan if math.isnan(share) else float(share >= 1))
            shares.append(share)
            permanence.append(found["permanence"].value)
            stutters.append(cadence(frames_of(video)).stutter)
            ours += [g / protocol.size for g, _ in falls(gather(tracks, None, said))]
    same = ks_2samp(ours, theirs) if min(len(ours), len(theirs)) > 3 else None
    return {
        "caption_exact": interval(exact),
        "adherence": interval(shares),
        "permanence": interval(permanence),
        "stutter": interval(stutters),
        "gravity_ks": None if same is None else float(same.statistic),
        "gravities": {"model": _middle(ours), "world": _middle(theirs)},
    }


def temporal_retention(cascade: Cascade, protocol: Protocol, quality: Quality) -> BenchScores:
    """What each temporal stage keeps of physics when it is fed real key frames, beside a linear blend of the same."""
    answer: BenchScores = {}
    for link in cascade_links(cascade, quality, protocol.seed):
        if link.time == 1:
            continue
        shape = cascade.stage(link.name).config.shape
        dense = replace(
            protocol,
            clips=max(1, protocol.clips // 2),
            frames=(protocol.frames - 1) * link.time + 1,
            fps=shape.fps,
            size=shape.height,
        )
        given = list(cases(dense, "id"))
        for name, upsample in ((link.name, link.run), ("linear_blend", blend(link.time))):
            answer[name] = _retention_values(retention(given, upsample, link.time, protocol.seed))
    return answer


def _retention_values(found: Retention) -> BenchScores:
    values = {"sag_recovery": found.sag_recovery, "ghosts": found.ghosts, "gravity_over_real": found.gravity}
    return values | {f"{law}_added": value for law, value in found.laws.items()}


def _middle(values: Sequence[float]) -> BenchScores:
    return {"median": float(np.median(values)) if values else None, "n": len(values)}

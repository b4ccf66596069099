"""What each stage is worth by itself: super-resolution against the plain way, and what the base finds likely."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import torch

from framefall.bench.worlds.continuation import Found
from framefall.cascade.cascade import Cascade
from framefall.cascade.known import Known
from framefall.cascade.request import Quality, Request
from framefall.cascade.stage import Stage
from framefall.evaluate.certify.twins import world_trials
from framefall.evaluate.stages.blame import Link, cascade_links
from framefall.evaluate.stages.likelihood import Judge, expectation_error, overall, stage_judge
from framefall.evaluate.stages.retention import Retention, along_flow, blend, retention
from framefall.evaluate.stages.superres import Below, compare_spatial, compare_temporal, real_input
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.metric import Interval
from framefall.models.precision import autocast
from framefall.noise import Key
from framefall.progress import Events, Stepped
from framefall.video import Scores, Video
from framefall.worlds.captions.sentences import describe
from framefall.worlds.render.renderer import View
from framefall.worlds.world import World

PAIRS = 12  # of a kind, at least: 8 must be left where the background alone tells some
REDRAWN = 0.5  # diffusion time from which the base draws a real clip again: its own strokes, and nearly the same places


def super_resolution(cascade: Cascade, protocol: Protocol, quality: Quality) -> Events[Found]:
    """Each super-resolution stage on held-out clips of its size, by name: PSNR, and `gain` over the plain way.

    `real` are clips as the renderer shows them, made small. `redrawn` are the same after the base drew them again
    from noise of `REDRAWN`: they have its faults, and the right answer is still known. The plain way is optical flow
    in time and bicubic in space, and is given the same. `gain` is the mean over clips, each counting as one;
    `pooled_gain` is of the error of all clips together, in which those count most that are hard. `kept` is what a
    temporal stage keeps of physics.
    """
    answer: Found = {}
    for link in cascade_links(cascade, quality, protocol.seed):
        yield Stepped(len(answer), None, f"{link.name} against the plain way")
        given = list(cases(_dense(protocol, link), "id"))
        by_name = {case.name: case for case in given}
        redrawn = _redrawn(cascade, by_name, quality)
        answer[link.name] = {
            "real": _compared(link, given, real_input, protocol.seed),
            "redrawn": _compared(link, given, redrawn, protocol.seed),
        }
        if link.time > 1:
            ways = {link.name: link.run, "optical_flow": along_flow(link.time), "linear_blend": blend(link.time)}
            answer[link.name]["kept"] = {
                name: _kept(retention(given, way, link.time, protocol.seed)) for name, way in ways.items()
            }
    return answer


def expected(stage: Stage, protocol: Protocol, split: str, kinds: Sequence[str], count: int) -> Events[Found]:
    """Violation of expectation, up to `count` pairs of each kind (`PAIRS` or more), of the scenarios in turn."""
    shape, world = stage.config.shape, World(protocol.scenarios, split, seed=protocol.seed, version=protocol.version)
    view, judge = View(shape.height, shape.width), _quick(stage)
    judged = []
    for place, kind in enumerate(kinds):
        yield Stepped(place, len(kinds), f"{split}: {kind}, expected or not")
        pairs = world_trials(world, kind, max(PAIRS, count), view, shape.fps, shape.frames, seed=protocol.seed)
        judged += expectation_error(pairs, judge, protocol.seed)
    violations = {
        one.violation: {**asdict(one.error), "null": one.null, "note": one.note, "rejected": one.rejected}
        for one in judged
    }
    return {
        "violation_of_expectation_error": overall(judged, protocol.seed),
        "violations": violations,
        "pairs": sum(one.error.n for one in judged),
    }


def _quick(stage: Stage) -> Judge:
    """The stage in the arithmetic that it samples with, which is half the time of float32's."""
    exact = stage_judge(stage)

    def judge(videos: Video, captions: Sequence[str | None], fps: float, keys: Sequence[Key]) -> Scores:
        with autocast(stage.device):
            return exact(videos, captions, fps, keys)

    return judge


def _dense(protocol: Protocol, link: Link) -> Protocol:
    """Clips as a stage should make them: more frames, or larger ones."""
    return replace(
        protocol,
        clips=max(1, protocol.clips // 4),
        frames=(protocol.frames - 1) * link.time + 1,
        fps=protocol.fps * link.time,
        size=protocol.size * link.space,
    )


def _compared(link: Link, given: Sequence[Case], below: Below, seed: int) -> Found:
    clips = ((case.name, case.video, case.protocol.fps) for case in given)
    if link.time > 1:
        rows = compare_temporal(clips, link.run, link.time, seed, below)
        plain = "optical_flow"
    else:
        fps = given[0].protocol.fps
        rows = compare_spatial(clips, lambda low: link.run(low, fps), link.space, seed, below)
        plain = "bicubic"
    found = {row.metric: Interval(row.value, row.low, row.high, row.n) for row in rows}
    errors = {row.metric: [10 ** (-value / 10) for value in row.per_clip.values()] for row in rows}
    ours, theirs = sum(errors["psnr"]), sum(errors[f"psnr_{plain}"])
    pooled = 10 * math.log10(theirs / ours) if ours > 0 and theirs > 0 else None
    return {**found, "gain": found[f"psnr_gain_over_{plain}"], "pooled_gain": pooled}


def _redrawn(cascade: Cascade, by_name: dict[str, Case], quality: Quality) -> Below:
    """A small clip as the base draws it when it begins from it."""

    def draw(name: str, low: Video) -> Video:
        case, base = by_name[name], cascade.stages[0]
        fps = base.config.shape.fps
        nowhere = torch.zeros(1, 1, low.shape[2], 1, 1)  # begun from, and none of it kept
        request = Request(
            describe(case.log.scene),
            known=(Known(video=low, mask=nowhere, fps=fps),),
            strength=REDRAWN,
            frames=low.shape[2],
            until=base.name,
            quality=quality,
            seed=case.protocol.seed,
            names=(name,),
        )
        return cascade.sample(request).cpu()

    return draw


def _kept(found: Retention) -> Found:
    values = {"sag_recovery": found.sag_recovery, "ghosts": found.ghosts, "gravity_over_real": found.gravity}
    return values | {f"{law}_added": value for law, value in found.laws.items()}

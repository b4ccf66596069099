"""Physics and consistency: tracks, parabolas and laws of the model's clips; twins that lie; the game of ten pairs."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from framefall.bench.worlds.continuation import continued
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.evaluate.certify.twins import Trial, world_trials
from framefall.evaluate.metrics.suite import METRICS, measure
from framefall.evaluate.stages.likelihood import null_judge, preference, stage_judge
from framefall.evaluate.worldbench.benchmark import Case, Protocol, Verdict, cases, judge
from framefall.metric import interval
from framefall.noise import Key
from framefall.physics.evidence import Evidence, gather
from framefall.physics.flight import falls
from framefall.physics.laws import LAWS
from framefall.studio.lesson.basics import a_case
from framefall.studio.lesson.media import Media
from framefall.video import Video
from framefall.worlds.captions.sentences import describe
from framefall.worlds.render.renderer import View
from framefall.worlds.violations.registry import matched_pair
from framefall.worlds.world import World

# verb, scenario, number in the test split
SCENES = (("drop", "fall", 2), ("throw", "projectile", 1), ("collide", "collision", 1), ("hide", "occluder", 0))
READ = {
    "drop": ("gravity", "ballistic", "permanence", "identity"),
    "throw": ("gravity", "ballistic", "sideways", "permanence"),
    "collide": ("momentum", "solidity", "permanence", "identity"),
    "hide": ("reappearance", "reappearance_identity", "permanence", "continuity"),
}
SAMPLE = 6  # clips of each scene that say how the model does on average
TWINS = {"linear_fall": 0, "teleport": 1}  # violations, and the seed of the moment
SMOOTH = ("roughness", "flicker", "warp_error", "unevenness", "frame_consistency")
PHYSICAL = ("gravity", "ballistic", "continuity", "permanence")
# scenario and violation of each pair of the game
PAIRS = (
    ("projectile", "teleport"),
    ("fall", "linear_fall"),
    ("occluder", "hidden_colour"),
    ("collision", "momentum_break"),
    ("projectile", "colour_switch"),
    ("fall", "gravity_half"),
    ("pendulum", "energy_injection"),
    ("occluder", "other_height"),
    ("projectile", "gravity_double"),
    ("collision", "blink"),
)


def scenes(media: Media) -> dict[str, Any]:
    """Four scenes: what the simulator shows and what the model makes of its first three frames, tracked and judged."""
    cascade = load_cascade("worlds")
    shown = {}
    for verb, scenario, index in SCENES:
        case = a_case(scenario, index)
        shown[verb] = {
            "caption": describe(case.log.scene),
            "given": case.protocol.given,
            "clips": {
                who: {
                    **media.strip(f"{verb}-{who}", video, case.protocol.fps),
                    **read(case, video, READ[verb]),
                }
                for who, video in (("simulator", case.video), ("model", continued(cascade, case, "best")))
            },
        }
    return {"model": "worlds", "scenes": shown, "laws": _about({name for read in READ.values() for name in read})}


def read(case: Case, video: Video, names: Iterable[str]) -> dict[str, Any]:
    """Tracks, parabolas, gravity and laws of one clip; lengths in pixels, gravity in heights a second squared."""
    verdict = judge(case, video)
    evidence = gather(verdict.tracks, case.truth)
    found = falls(evidence)
    height = case.view.height
    fitted = math.nan
    if found:
        fitted = float(np.average([g for g, _ in found], weights=[n for _, n in found])) / height
    return {
        "paths": _paths(evidence),
        "gravity": {"fitted": fitted, "true": case.truth.gravity / height},
        "laws": {
            name: {
                "value": verdict.laws[name].value,
                "passes": LAWS[name].passes(verdict.laws[name].value),
                "reason": verdict.laws[name].reason,
            }
            for name in names
        },
    }


def _paths(evidence: Evidence) -> list[dict[str, Any]]:
    """Where each object was seen, and the parabolas that explain it, as points to draw."""
    paths = []
    for motion in evidence.motions:
        seen = np.flatnonzero(motion.path.seen)
        if not len(seen):
            continue
        arcs = []
        for arc in motion.arcs:
            if len(arc.frames) >= 3:
                moments = np.linspace(arc.frames[0], arc.frames[-1], 4 * (len(arc.frames) - 1) + 1) / evidence.fps
                arcs.append(
                    {
                        "frames": [int(arc.frames[0]), int(arc.frames[-1])],
                        "points": [arc.at(float(moment)).tolist() for moment in moments],
                    }
                )
        paths.append(
            {
                "body": motion.path.body,
                "frames": seen.tolist(),
                "places": motion.path.position[seen].tolist(),
                "size": motion.path.size,
                "arcs": arcs,
            }
        )
    return paths


def average(media: Media) -> dict[str, Any]:
    """How the model does on some clips of each scene: the share that passes, or the mean, with its 95 % interval."""
    cascade = load_cascade("worlds")
    answer: dict[str, Any] = {"model": "worlds", "clips": SAMPLE}
    for verb, scenario, _ in SCENES:
        protocol = Protocol(scenarios=(scenario,), clips=SAMPLE, version=2)
        verdicts = [judge(case, continued(cascade, case, "best")) for case in cases(protocol, "id")]
        answer[verb] = {name: _mean(verdicts, name) for name in READ[verb]}
    return answer


def _mean(verdicts: list[Verdict], name: str) -> dict[str, Any]:
    values = [verdict.laws[name].value for verdict in verdicts]
    passed = [math.nan if math.isnan(value) else float(LAWS[name].passes(value)) for value in values]
    return {"mean": interval(values), "passed": interval(passed)}


def twins(media: Media) -> dict[str, Any]:
    """A valid clip and twins that break one law: what measures of smoothness say of both, and what the laws say."""
    protocol = Protocol(frames=32, fps=24.0, size=64, given=1, version=2)
    log = World(("fall",), "id", version=2).log(5)
    case = Case("fall/id/5", "id", log, protocol)
    answer: dict[str, Any] = {
        "caption": describe(log.scene),
        "smooth": list(SMOOTH),
        "physical": list(PHYSICAL),
        "metrics": _about_all((*SMOOTH, *PHYSICAL)),
        "pairs": {},
    }
    for name, seed in TWINS.items():
        valid, broken = matched_pair(log, name, Key(seed, "lesson", name))
        assert broken.violation_time is not None
        sides = {}
        for side, shown in (("valid", valid), ("broken", broken)):
            video = case.drawn(shown)
            (scores,) = measure([("clip", video, protocol.fps)])
            verdict = judge(case, video)
            values = {metric: scores.scores[metric] for metric in SMOOTH}
            values |= {law: verdict.laws[law].value for law in PHYSICAL}
            sides[side] = {
                **media.strip(f"{name}-{side}", video, protocol.fps),
                "scores": values,
                "paths": _paths(gather(verdict.tracks, case.truth)),
            }
        answer["pairs"][name] = {
            "from": math.ceil(broken.violation_time * protocol.fps),
            **sides,
            "prefers": {
                metric: _prefers(
                    METRICS[metric].better, sides["valid"]["scores"][metric], sides["broken"]["scores"][metric]
                )
                for metric in (*SMOOTH, *PHYSICAL)
            },
        }
    return answer


def _prefers(better: str, valid: float, broken: float) -> str:
    """Which side a metric finds better; neither if they are the same, or one could not be measured."""
    if math.isnan(valid + broken) or abs(valid - broken) <= 1e-6 * max(abs(valid), abs(broken)):
        return "neither"
    return "valid" if (valid < broken) == (better == "lower") else "broken"


def game(media: Media) -> dict[str, Any]:
    """Ten pairs of a valid and a broken clip, and which of the two the model's denoiser finds likelier."""
    stage = load_cascade("worlds").stages[0]
    pairs, right = [], 0
    for number, (scenario, violation) in enumerate(PAIRS):
        trial = _trial(scenario, violation, stage.config.shape.height, stage.config.shape.fps)
        side = Key(0, "lesson", "game").integer(2, number)  # 0: the valid clip is on the left
        prefers = preference(trial, stage_judge(stage))
        right += prefers < 0
        pairs.append(
            {
                "violation": violation,
                "caption": trial.captions[0],
                "valid": media.strip(f"{number}-valid", trial.valid[:1], trial.fps),
                "broken": media.strip(f"{number}-broken", trial.broken[:1], trial.fps),
                "left": ("valid", "broken")[side],
                "model": {"preference": prefers, "right": prefers < 0},
                "null": {"right": preference(trial, null_judge) < 0},
            }
        )
    return {
        "model": "worlds",
        "frames": stage.config.shape.frames,
        "pairs": pairs,
        "right": right,
    }


def _trial(scenario: str, violation: str, size: int, fps: float) -> Trial:
    """The first matched pair of that kind in the test split."""
    world = World((scenario,), "id", version=2)
    return next(world_trials(world, violation, 1, View(size, size), fps, 16))


def _about(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "unit": LAWS[name].unit,
            "better": LAWS[name].better,
            "strict": LAWS[name].strict,
            "about": LAWS[name].description,
        }
        for name in sorted(names)
    }


def _about_all(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {"unit": METRICS[name].unit, "better": METRICS[name].better, "about": METRICS[name].description}
        for name in names
    }

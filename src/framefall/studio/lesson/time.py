"""Time breaks naive extrapolation: frames made one by one, and damage that metrics do or do not notice."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from framefall.bench.worlds.continuation import per_frame
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.evaluate.certify.validity import MARGIN, detection, threshold
from framefall.evaluate.metrics.coherence import flicker
from framefall.evaluate.metrics.features import embed, frame_consistency
from framefall.evaluate.metrics.suite import METRICS, ClipScores, measure
from framefall.flow import brightness, look
from framefall.noise import Key
from framefall.studio.lesson.basics import a_case
from framefall.studio.lesson.media import Media
from framefall.video import Video, from_pixels, to_pixels
from framefall.worlds.captions.sentences import describe
from framefall.worlds.damage.corruptions import CORRUPTIONS
from framefall.worlds.damage.placebos import PLACEBOS
from framefall.worlds.render.renderer import View, render
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.violations.registry import break_physics
from framefall.worlds.world import World

SCENES = (("projectile", 2), ("fall", 2))  # scenarios and numbers, of the test split
WHOLE = ("flicker", "luminance_flicker", "warp_error", "unevenness", "frame_consistency")
DAMAGES = {"shuffle": "shuffle", "flicker": "flicker", "freeze": "freeze", "teleport": "", "stutter": "pairs"}
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
SHOWN = (
    "flicker",
    "luminance_flicker",
    "warp_error",
    "unevenness",
    "stutter",
    "repeated_frames",
    "frame_consistency",
    "permanence",
    "continuity",
)
QUIET = ("noise", "gamma", "jpeg_85", "crop", "codec")
CLEAN = 5  # scenes whose clips and placebos say what is usual
FRAMES, RATE, SIZE = 32, 16.0, 64


def fusion(media: Media) -> dict[str, Any]:
    """The same prompt and seed made frame by frame, made as a whole, and as the simulator has it, with meters."""
    cascade = load_cascade("worlds")
    scenes = []
    for scenario, index in SCENES:
        case = a_case(scenario, index)
        request = Request(
            describe(case.log.scene), frames=case.frames, until="base", quality="best", seed=0, names=(case.name,)
        )
        clips = {
            "per_frame": per_frame(cascade, case, "best"),
            "fused": cascade.sample(request).cpu(),
            "simulated": case.video,
        }
        shown = {
            name: {
                **media.strip(f"{scenario}-{name}", video, case.protocol.fps),
                "meters": meters(video),
                "scores": _scores(video, case.protocol.fps, WHOLE),
            }
            for name, video in clips.items()
        }
        scenes.append({"prompt": request.prompt, "clips": shown})
    steps = cascade.stages[0].sampling("best").steps
    return {"model": "worlds", "seed": 0, "steps": steps, "metrics": _about(WHOLE), "scenes": scenes}


def meters(video: Video) -> list[dict[str, float]]:
    """Of each frame: its flicker among its neighbours, the change of light since the one before, likeness to the first.

    The first and the last frame have no flicker, and the first no change.
    """
    light = brightness(look(video).frames).mean(axis=(1, 2))
    found = []
    for index in range(video.shape[2]):
        inside = 0 < index < video.shape[2] - 1
        found.append(
            {
                "flicker": flicker(look(video[:, :, index - 1 : index + 2])) if inside else math.nan,
                "light": abs(float(light[index] - light[index - 1])) if index else math.nan,
                "likeness": frame_consistency(embed(video[:, :, [0, index]])),
            }
        )
    return found


def damage(media: Media) -> dict[str, Any]:
    """A sound clip damaged in five ways and four strengths: what each metric says, and whether it notices."""
    world = World(("projectile",), "id", version=2)
    log = world.log(0)
    sound = _drawn(log)
    quiet = _thresholds(world)
    damaged = {
        name: [
            {
                "strength": strength,
                **media.strip(f"{name}-{strength:g}", video, RATE),
                "scores": _judged(video, quiet),
            }
            for strength, video in ((strength, _damaged(log, sound, name, strength)) for strength in STRENGTHS)
        ]
        for name in DAMAGES
    }
    return {
        "caption": world.caption(0),
        "metrics": _about(SHOWN),
        "thresholds": quiet,
        "scenes": CLEAN,
        "placebos": len(QUIET),
        "sound": {**media.strip("sound", sound, RATE), "scores": _judged(sound, quiet)},
        "damages": damaged,
    }


def _drawn(log: StateLog) -> Video:
    return from_pixels(render([log], [frame_times(FRAMES, RATE)], View(SIZE, SIZE)))


def _damaged(log: StateLog, sound: Video, name: str, strength: float) -> Video:
    key = Key(0, "lesson", name)
    if name == "teleport":
        return _drawn(break_physics(log, name, key, strength))
    pixels = to_pixels(sound)[0].numpy()
    return from_pixels(torch.from_numpy(CORRUPTIONS[DAMAGES[name]](pixels, key, strength)))[None]


def _thresholds(world: World) -> dict[str, float]:
    """Beyond which values a metric complains: worse than sound clips and harmless changes of them ever are."""
    sound = {f"{index}": to_pixels(_drawn(world.log(index)))[0].numpy() for index in range(CLEAN)}
    groups: list[Iterable[tuple[str, Any]]] = [sound.items()]
    groups += [
        [(name, PLACEBOS[placebo](clip, Key(0, "placebo", name))) for name, clip in sound.items()] for placebo in QUIET
    ]
    values = [
        list(measure([(name, from_pixels(torch.from_numpy(clip))[None], RATE) for name, clip in group]))
        for group in groups
    ]
    return {
        name: threshold([[clip.scores[name] for clip in group] for group in values], METRICS[name].better, MARGIN)
        for name in SHOWN
    }


def _judged(video: Video, thresholds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Each metric's value, whether it is beyond its threshold, and why it says nothing where it does not."""
    scores = _measured(video, RATE)
    return {
        name: {
            "value": scores.scores[name],
            "notices": detection([scores.scores[name]], thresholds[name], METRICS[name].better) == 1.0,
            "reason": scores.reasons.get(name, ""),
        }
        for name in SHOWN
    }


def _measured(video: Video, fps: float) -> ClipScores:
    (scores,) = measure([("clip", video, fps)])
    return scores


def _scores(video: Video, fps: float, names: Iterable[str]) -> dict[str, float]:
    scores = _measured(video, fps).scores
    return {name: scores[name] for name in names}


def _about(names: Iterable[str]) -> dict[str, dict[str, str]]:
    return {
        name: {"better": METRICS[name].better, "unit": METRICS[name].unit, "about": METRICS[name].description}
        for name in names
    }

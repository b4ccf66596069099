"""How good the tracker is where the answer is known: the ceiling of everything that is read off its tracks."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.jsonable import jsonable
from framefall.metric import interval
from framefall.noise import Key
from framefall.physics.laws import LAWS, LawScore, laws
from framefall.progress import Events, Stepped, operation
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.violations.registry import VIOLATIONS, break_physics

SIZES = (32, 64, 128)
FRAMES, RATE = 61, 24.0
FALLS = ("fall", "projectile", "double_drop")
SWAPS = "hidden_colour"  # what comes out from behind a screen is another one


@operation
def trackers_bench(
    clips: int, seed: int = 0, sizes: Sequence[int] = SIZES, scenarios: Sequence[str] = tuple(SCENARIOS)
) -> Events[dict[str, Any]]:
    """Clean renders of every scenario at 32, 64 and 128 pixels, 24 frames a second, tracked with the scene known."""
    total, done = len(sizes) * len(scenarios) * clips, 0
    results: dict[str, Any] = {}
    for size in sizes:
        away, falls, events = list[float](), list[float](), list[float]()
        passed: dict[str, list[float]] = {scenario: [] for scenario in scenarios}
        swaps, alarms = list[float](), list[float]()
        protocol = Protocol(
            scenarios=tuple(scenarios), clips=clips, frames=FRAMES, fps=RATE, size=size, given=0, seed=seed
        )
        for case in cases(protocol, "id"):
            found = track(case.video, RATE, scene=case.known)
            said = laws(found, case.truth)
            away += _distances(case, found)
            events.append(float(any(not event.explained for event in found.events)))
            if case.scenario in FALLS:
                falls.append(100 * math.expm1(said["gravity"].value))
            due = {name: score.value for name, score in said.items() if case.scenario in LAWS[name].scenarios}
            passed[case.scenario].append(float(all(LAWS[name].passes(value) for name, value in due.items())))
            if VIOLATIONS[SWAPS].applies(case.log):
                alarms.append(_swapped(said))
                broken = break_physics(case.log, SWAPS, Key(seed, SWAPS, case.name))
                swaps.append(_swapped(laws(track(case.drawn(broken), RATE, scene=case.known), case.truth)))
            done += 1
            yield Stepped(done, total, f"{size} pixels, {case.scenario}")
        gravities = [value for value in falls if not math.isnan(value)]
        results[str(size)] = {
            "pixels_away_median": float(np.median(away)),
            "pixels_away_95": float(np.percentile(away, 95)),
            "gravity_error_percent_median": float(np.median(gravities)),
            "gravity_error_percent_90": float(np.percentile(gravities, 90)),
            "gravity_n": len(gravities),
            "clips_with_unexplained_events": interval(events, seed),
            "swaps_seen": interval(swaps, seed),
            "swaps_seen_where_none_are": interval(alarms, seed),
            "strict_pass": {scenario: float(np.mean(values)) for scenario, values in passed.items()},
        }
    return dict(jsonable({"results": results}))


def _distances(case: Case, found: Tracks) -> list[float]:
    """From each wholly visible body to the nearest track that is seen whole, in pixels, frame by frame."""
    nearest = []
    for body in case.truth.bodies:
        for frame in np.flatnonzero(body.visible >= 0.995):
            there = [
                float(np.linalg.norm(one.position[at[0]] - (body.position[frame] - case.truth.camera[frame])))
                for one in found.objects
                if len(at := np.flatnonzero(one.frames == frame)) and one.whole[at[0]]
            ]
            if there and min(there) < body.radius:
                nearest.append(min(there))
    return nearest


def _swapped(said: dict[str, LawScore]) -> float:
    return float(not LAWS["reappearance_identity"].passes(said["reappearance_identity"].value))

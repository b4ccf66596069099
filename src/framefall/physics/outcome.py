"""Guided motion and what comes of it: pendulum, ramp, stack and support (the law P10)."""

import math

import numpy as np
from scipy.optimize import least_squares

from framefall.physics.arcs import fit
from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.paths import Path, radius_of
from framefall.physics.segmented_paths import NEAR
from framefall.worlds.engines.pendulum import angles

WORST = 3.0
WINDOW = 0.35  # seconds of a swing whose energy is told at once
MOVED = 0.5  # diameters: what has gone farther has toppled
SHARE = 0.3  # of gravity: what falls more slowly than that does not fall
HANGS = 0.25  # seconds in the air without falling, to be seen as floating


def pendulum_period(evidence: Evidence) -> Finding:
    """|ln(period / true period)| of the swing that fits best (Jacobi's, exact at any amplitude)."""
    found = []
    for _, swing in _swings(evidence):
        start = _start(swing, swing.stiffness)
        best = least_squares(
            lambda x, s=swing: angles(x[0], x[1], math.exp(x[2]), s.times)[0] - s.angle,
            [*start, math.log(swing.stiffness)],
            bounds=([-3.1, -50, -8], [3.1, 50, 8]),
        )
        found.append(abs(float(best.x[2]) - math.log(swing.stiffness)) / 2)
    return (min(WORST, max(found)), "") if found else (NOTHING, "no pendulum is seen for long enough")


def rod_length(evidence: Evidence) -> Finding:
    """The largest |ln(distance from the pivot / rod's length)|."""
    found = [float(np.abs(np.log(swing.length / swing.rod)).max()) for _, swing in _swings(evidence)]
    return (min(WORST, max(found)), "") if found else (NOTHING, "no pendulum is seen for long enough")


def pendulum_energy(evidence: Evidence) -> Finding:
    """The largest |ln(energy / energy at the beginning)| of a swing, above the lowest point, each told in a window."""
    worst: float | None = None
    for _, swing in _swings(evidence):
        step = max(3, round(WINDOW * evidence.fps) + 1)
        energies = []
        for first in range(0, len(swing.times) - step + 1, max(1, step // 2)):
            part = slice(first, first + step)
            times = swing.times[part] - swing.times[first]
            best = least_squares(
                lambda x, s=swing, p=part, t=times: angles(x[0], x[1], s.stiffness, t)[0] - s.angle[p],
                _start(swing, swing.stiffness, part),
                bounds=([-3.1, -50], [3.1, 50]),
            )
            angle, rate = best.x
            energies.append(rate**2 / 2 + swing.stiffness * (1 - math.cos(angle)))
        if len(energies) > 1 and energies[0] > 0:
            logs = np.abs(np.log(np.maximum(energies, 1e-3 * energies[0]) / energies[0]))
            worst = max(worst or 0.0, float(logs.max()))
    return (NOTHING, "no pendulum is seen for long enough") if worst is None else (min(WORST, worst), "")


def ramp(evidence: Evidence) -> Finding:
    """|ln(a / a_law)| down the slope: g (sin - mu cos) for what slides, two thirds of g sin for a ball that rolls."""
    truth, worst = evidence.truth, None
    if truth is None or truth.gravity <= 0:
        return NOTHING, "there is no slope in this scene"
    for body, motion in evidence.bodies:
        path = motion.path
        for solid in truth.solids:
            seen = np.flatnonzero(path.whole)
            if len(seen) < 4:
                continue
            gap, out = solid.signed_distance(path.position[seen])
            on = (np.abs(gap - body.inside) < 0.25 * path.size + 1) & (np.abs(out[:, 0]) > 0.08) & (out[:, 1] < -0.2)
            frames = seen[on]
            if len(frames) < 4:
                continue
            normal = np.median(out[on], axis=0)
            frames = frames[np.abs(out[on] - normal).max(axis=1) < 0.02]
            down = np.array([-normal[1], normal[0]]) * np.sign(normal[0])  # along the slope, downwards
            sine, cosine = abs(float(normal[0])), -float(normal[1])
            rolls = body.shape == "ball" and truth.friction >= sine / cosine / 3
            law = truth.gravity * (2 / 3 * sine if rolls else sine - truth.friction * cosine)
            if len(frames) < 4 or law <= 0.02 * truth.gravity:
                continue
            found = float(fit(path.position, frames, evidence.fps, motion.noise).acceleration @ down)
            wrong = abs(math.log(found / law)) if found > law * math.exp(-WORST) else WORST
            worst = max(worst or 0.0, wrong)
    return (NOTHING, "nothing is seen to slide or roll for long enough") if worst is None else (min(WORST, worst), "")


def outcome(evidence: Evidence) -> Finding:
    """0 if a stack stands that should stand, or topples that should topple; else 1."""
    if evidence.attributes is None or evidence.attributes.outcome not in ("stands", "topples"):
        return NOTHING, "there is no stack in this scene"
    if not any(path.seen.any() for path in evidence.paths):
        return NOTHING, "no box is seen"
    found = "topples" if any(_toppled(path) for path in evidence.paths) else "stands"
    return float(found != evidence.attributes.outcome), "" if found == evidence.attributes.outcome else f"it {found}"


def support(evidence: Evidence) -> Finding:
    """The share of object-frames in which something hangs in the air: nothing is below it, and it does not fall."""
    truth = evidence.truth
    if truth is None or truth.gravity <= 0:
        return NOTHING, "where gravity and the ground are not known, nothing is known to float"
    floats = count = 0
    for index, (body, motion) in enumerate(evidence.bodies):
        if body.pivot is not None:
            continue
        path = motion.path
        lone = path.whole & ~_supported(evidence, index) & (np.arange(len(path.whole)) / evidence.fps >= body.release)
        count += int(path.whole.sum())
        for arc in motion.arcs:
            frames = arc.frames[lone[arc.frames]]
            time = (len(frames) - 1) / evidence.fps
            # long enough for a fall to be seen
            if len(frames) < 3 or time < HANGS or truth.gravity * time**2 / 8 < 0.1 * path.size:
                continue
            if fit(path.position, frames, evidence.fps, arc.noise).acceleration[1] < SHARE * truth.gravity:
                floats += len(frames)
    return (floats / count, "something floats" if floats else "") if count else (NOTHING, "nothing is seen whole")


def _toppled(path: Path) -> bool:
    """Whether something has gone from where it was."""
    frames = np.flatnonzero(path.seen)
    if len(frames) < 2:
        return False
    moved = np.linalg.norm(path.position[frames[-3:]] - path.position[frames[0]], axis=1)
    return bool(np.median(moved) > MOVED * path.size)


def _supported(evidence: Evidence, index: int) -> np.ndarray:
    """The frames in which something is right below a body, or beside it."""
    assert evidence.truth is not None
    path = evidence.paths[index]
    inner, reach = radius_of(path, evidence.truth)
    answer = np.zeros(len(path.seen), bool)
    slack = NEAR * path.size + 1.0
    for solid in evidence.truth.solids:
        answer[path.seen] |= solid.signed_distance(path.position[path.seen])[0] < reach + slack
    for other, its in enumerate(evidence.paths):
        if other == index or not its.seen.any():
            continue
        away = its.position - path.position
        far = reach + radius_of(its, evidence.truth)[1] + slack
        # what is lower, or about as low: a neighbour it leans on
        answer |= (np.linalg.norm(away, axis=1) < far) & (away[:, 1] > -inner)
    return answer


class _Swing:
    """A bob about its pivot: angles from straight down in radians, at times since the first one."""

    def __init__(self, path: Path, pivot: np.ndarray, rod: float, gravity: float, fps: float, release: float) -> None:
        frames = np.flatnonzero(path.whole & (np.arange(len(path.whole)) / fps >= release))
        arm = path.position[frames] - pivot
        self.times = (frames - frames[0]) / fps if len(frames) else np.zeros(0)
        self.angle = np.unwrap(np.arctan2(arm[:, 0], arm[:, 1])) if len(frames) else np.zeros(0)
        self.length = np.maximum(np.linalg.norm(arm, axis=1), 1e-6)
        self.rod = rod
        self.stiffness = gravity / rod


def _swings(evidence: Evidence) -> list[tuple[str, _Swing]]:
    """Every pendulum that is seen in at least six frames."""
    truth = evidence.truth
    answer = []
    for body, motion in evidence.bodies:
        if body.pivot is not None and truth is not None and truth.gravity > 0:
            rod = float(np.linalg.norm(body.position[0] - body.pivot))
            swing = _Swing(motion.path, body.pivot, rod, truth.gravity, evidence.fps, body.release)
            if len(swing.times) >= 6:
                answer.append((body.name, swing))
    return answer


def _start(swing: _Swing, stiffness: float, part: slice = slice(0, 4)) -> tuple[float, float]:
    """A first guess of angle and rate."""
    times, angle = swing.times[part], swing.angle[part]
    rate = (angle[-1] - angle[0]) / max(times[-1] - times[0], 1e-9)
    pull = -stiffness * math.sin(angle[0])
    rate -= pull * (times[-1] - times[0]) / 2
    return float(np.clip(angle[0], -3.0, 3.0)), float(np.clip(rate, -49, 49))

"""What falls, flies and bounces: gravity, the parabola, even motion sideways, restitution (the laws P3 to P5)."""

import math

import numpy as np

from framefall.physics.arcs import fit
from framefall.physics.changepoints import SURE, Changepoint
from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.segmented_paths import SegmentedPath

FLAT = 3.0  # |ln(g / g_true)| of what does not fall at all, or falls upwards
SAG = 0.1  # diameters that an arc must sag for its acceleration to be told
STRONG = 20.0  # deviations of a velocity that a blow must have for its restitution to be told
LEAST = 4  # frames of an arc or a span
BLIND = 8  # frames of a span where nobody knows what may be touched


def gravity(evidence: Evidence) -> Finding:
    """|ln(g / g_true)|, the mean over the frames of arcs in free flight; 3 for what falls up or not at all.

    Without a scene the spread of g between arcs and objects, as a standard deviation of ln g.
    """
    found = falls(evidence)
    if evidence.truth is None:
        return _spread(found)
    true = evidence.truth.gravity
    if true <= 0:
        return NOTHING, "there is no gravity in this scene"
    if not found:
        return NOTHING, "nothing is in free flight for long enough"
    logs = [math.log(g / true) if g > true * math.exp(-FLAT) else -FLAT for g, _ in found]
    weights = np.array([n for _, n in found], dtype=np.float64)
    signed = float(np.average(logs, weights=weights))
    way = "up" if min(g for g, _ in found) < -0.1 * true else "too fast" if signed > 0.1 else "too slowly"
    value = float(np.average(np.abs(logs), weights=weights))
    return value, f"falls {way}" if value > 0.1 else ""


def falls(evidence: Evidence) -> list[tuple[float, int]]:
    """The downward accelerations of the arcs in free flight, in pixels a second squared, and their frames."""
    found = []
    for motion in evidence.motions:
        for span in motion.spans(LEAST):
            for arc in motion.arcs:
                frames = arc.frames[np.isin(arc.frames, span)]
                if len(frames) < LEAST:
                    continue
                own = fit(motion.path.position, frames, evidence.fps, arc.noise)
                time = (frames[-1] - frames[0]) / evidence.fps
                doubt = SURE * arc.noise * math.sqrt(720 / len(frames) ** 5) * evidence.fps**2
                down = float(own.acceleration[1])
                if evidence.truth is not None:
                    # what it should have sagged must be visible
                    told = evidence.truth.gravity * time**2 / 8 > SAG * motion.path.size
                    told = told and doubt < 0.3 * evidence.truth.gravity
                else:
                    told = abs(down) * time**2 / 8 > SAG * motion.path.size and abs(down) > 2 * doubt
                if told:
                    found.append((down, len(frames)))
    return found


def ballistic(evidence: Evidence) -> Finding:
    """The deviation of the ways between contacts from their parabolas, root mean square, in diameters."""
    total, count = 0.0, 0
    for motion in evidence.motions:
        for span in motion.spans(LEAST if evidence.truth is not None else BLIND):
            if evidence.truth is None and not _flies(motion, span, motion.path.size, evidence.fps):
                continue
            arc = fit(motion.path.position, span, evidence.fps, motion.noise)
            off = np.array([arc.at(frame / evidence.fps) for frame in span]) - motion.path.position[span]
            freedom = len(span) - 3  # a parabola takes three frames' worth of it
            total += float((off**2).sum()) / motion.path.size**2 * len(span) / freedom
            count += len(span)
    if not count:
        return NOTHING, "nothing is in free flight for long enough"
    return math.sqrt(total / count), ""


def sideways(evidence: Evidence) -> Finding:
    """How much the horizontal velocity changes between contacts, over the mean speed; the largest of all objects.

    In a scene without gravity, the change of the whole velocity.
    """
    worst: float | None = None
    for motion in evidence.motions:
        for span in motion.spans(LEAST if evidence.truth is not None else BLIND):
            if evidence.truth is None and not _flies(motion, span, motion.path.size, evidence.fps):
                continue
            arc = fit(motion.path.position, span, evidence.fps, motion.noise)
            time = (span[-1] - span[0]) / evidence.fps
            axes = slice(0, 1) if evidence.truth is None or evidence.truth.gravity > 0 else slice(0, 2)
            change = float(np.linalg.norm(arc.acceleration[axes])) * time
            way = float(np.linalg.norm(np.diff(motion.path.position[span], axis=0), axis=1).sum())
            doubt = SURE * arc.noise * math.sqrt(720 / len(span) ** 5) * evidence.fps**2 * time
            # a share of a speed that is hardly one says nothing: a diameter a clip is the least
            speed = max(way / time, motion.path.size / (evidence.tracks.frames / evidence.fps))
            worst = max(worst or 0.0, max(0.0, change - doubt) / speed)
    return (NOTHING, "nothing is in free flight for long enough") if worst is None else (min(worst, 2.0), "")


def restitution(evidence: Evidence) -> Finding:
    """|e - e_true|, the mean over contacts, each at most 1.

    Without a scene max(0, e - 1), of the worst contact.
    """
    found = [
        (changepoint, e)
        for changepoint in evidence.changepoints("bounce", "blow")
        if (e := rebound(evidence, changepoint)) is not None
    ]
    if evidence.truth is None:
        if not found:
            return NOTHING, "nothing bounces fast enough to be told"
        return max(0.0, *(e - 1 for _, e in found)), ""
    true = evidence.truth.restitution
    if not found:
        return NOTHING, "nothing bounces fast enough to be told"
    return float(np.mean([min(1.0, abs(e - true)) for _, e in found])), ""


def rebound(evidence: Evidence, changepoint: Changepoint) -> float | None:
    """Speed apart over speed together along the normal at a contact; none if it was too slow to tell."""
    if changepoint.normal is None or not all(changepoint.sure) or _rests(evidence, changepoint):
        return None
    theirs = np.zeros(2), np.zeros(2)
    if changepoint.kind == "blow":
        if changepoint.other < changepoint.path and any(
            j.other == changepoint.path and _at_once(j, changepoint, evidence.fps)
            for j in evidence.motions[changepoint.other].changepoints
        ):
            return None  # the other one of the two tells it
        told = velocities(evidence, changepoint.other, changepoint)
        if told is None:
            return None
        theirs = told
    into = -float((changepoint.before - theirs[0]) @ changepoint.normal)
    out = float((changepoint.after - theirs[1]) @ changepoint.normal)
    size = evidence.motions[changepoint.path].path.size
    # it must also come some way between two frames, or the moment of the contact is not known well enough
    if into <= max(STRONG * changepoint.noise, 0.02 * size * evidence.fps):
        return None
    return out / into


def velocities(evidence: Evidence, index: int, changepoint: Changepoint) -> tuple[np.ndarray, np.ndarray] | None:
    """Those of another object just before and after a contact; none if they are not well told."""
    motion = evidence.motions[index]
    for other in motion.changepoints:
        if _at_once(other, changepoint, evidence.fps):
            return (other.before, other.after) if all(other.sure) else None
    near = [arc for arc in motion.arcs if len(arc.frames) > 3]
    if not near:
        return None
    arc = min(
        near,
        key=lambda arc: abs(
            float(np.clip(changepoint.time * evidence.fps, arc.frames[0], arc.frames[-1]))
            - changepoint.time * evidence.fps
        ),
    )
    return arc.velocity(changepoint.time), arc.velocity(changepoint.time)


def _rests(evidence: Evidence, changepoint: Changepoint) -> bool:
    """Whether what bounces comes to rest at that."""
    path = evidence.motions[changepoint.path].path
    later = np.flatnonzero(path.whole)
    later = later[later >= changepoint.frames[1]][:6]
    return changepoint.kind == "bounce" and bool(np.ptp(path.position[later], axis=0).max() < 0.1 * path.size)


def _at_once(one: Changepoint, two: Changepoint, fps: float) -> bool:
    return abs(one.time - two.time) * fps < 1.5


def _spread(found: list[tuple[float, int]]) -> Finding:
    """How much arcs disagree about gravity."""
    if len(found) < 2:
        return NOTHING, "gravity is the same for everything only if two flights are seen"
    if min(g for g, _ in found) <= 0 < max(g for g, _ in found):
        return FLAT, "some things fall up, and some down"
    logs, weights = np.log([abs(g) for g, _ in found]), np.array([n**3 for _, n in found], dtype=np.float64)
    mean = float(np.average(logs, weights=weights))
    return min(FLAT, math.sqrt(float(np.average((logs - mean) ** 2, weights=weights)))), ""


def _flies(motion: SegmentedPath, span: np.ndarray, size: float, fps: float) -> bool:
    """Whether a span without a known scene is a flight: some arc in it sags, downwards more than sideways."""
    if motion.is_doubtful(span):
        return False
    for arc in motion.arcs:
        frames = arc.frames[np.isin(arc.frames, span)]
        if len(frames) >= LEAST:
            across, down = np.abs(arc.acceleration)
            time = (frames[-1] - frames[0]) / fps
            if down * time**2 / 8 > SAG * size and across < 0.3 * down:
                return True
    return False

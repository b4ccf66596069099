"""Distances to the one future that the given frames allow (the law P9): absence is full error, not exclusion."""

import numpy as np

from framefall.physics.evidence import NOTHING, Evidence, Finding

VISIBLE = 0.95  # of a body must be to be seen for its place to count
STILL = 0.05  # diameters a second: slower bodies have no velocity to compare
MOST = 20.0  # times the true speed, or diameters


def velocity_error(evidence: Evidence) -> Finding:
    """The sum of |v - v_true| over that of |v_true|, over steps away from contacts; what is not seen has v = 0."""
    if evidence.truth is None:
        return NOTHING, "the scene is not known"
    wrong = right = 0.0
    for body, motion in evidence.bodies:
        true = np.diff(body.position, axis=0)
        due = (body.visible[:-1] > VISIBLE) & (body.visible[1:] > VISIBLE)
        due &= np.arange(len(true)) >= evidence.truth.given - 1
        struck = np.array(body.contact_times) * evidence.fps
        moving = np.linalg.norm(true, axis=1) * evidence.fps > STILL * 2 * body.radius
        for frame in struck[np.isfinite(struck)]:
            near = np.abs(np.arange(len(true)) + 0.5 - frame) < 1.5
            due &= ~(near & moving)
        steps = np.diff(motion.path.position, axis=0)
        steps = np.where(np.isfinite(steps), steps, 0.0)
        wrong += float(np.linalg.norm(steps - true, axis=1)[due].sum())
        right += float(np.linalg.norm(true, axis=1)[due].sum())
    least = sum(2 * body.radius for body, _ in evidence.bodies) * STILL * evidence.tracks.frames / evidence.fps
    if right < least:
        return NOTHING, "nothing moves in this scene"
    return min(MOST, wrong / right), ""


def displacement(evidence: Evidence) -> Finding:
    """The mean distance of bodies from where they should be, in diameters; a missing one is a picture's height off."""
    off = _distances(evidence)
    return (float(np.mean(np.concatenate(off))), "") if off else (NOTHING, "nothing is due after the given frames")


def final_displacement(evidence: Evidence) -> Finding:
    """The distance in the last frame in which each body is due, mean over the bodies, in diameters."""
    off = _distances(evidence)
    return (float(np.mean([own[-1] for own in off])), "") if off else (NOTHING, "nothing is due after the given frames")


def _distances(evidence: Evidence) -> list[np.ndarray]:
    """Of each body that is due at all: its distances at the frames in which it is."""
    if evidence.truth is None:
        return []
    answer = []
    for body, motion in evidence.bodies:
        due = (body.visible > VISIBLE) & (np.arange(evidence.truth.frames) >= evidence.truth.given)
        size = 2 * body.radius
        away = np.linalg.norm(motion.path.position - body.position, axis=1) / size
        absent = evidence.truth.height / size
        away = np.where(np.isfinite(away), np.minimum(away, absent), absent)
        if due.any():
            answer.append(away[due])
    return answer

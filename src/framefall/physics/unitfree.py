"""Laws that need no unit, no scale and no clock (the set U1): for footage of which nothing is known.

A clip played twice as fast has another gravity, and the very same numbers here: so a wrong clock is told from
wrong physics. Times are in frames, and lengths in pixels, throughout.
"""

import math

import numpy as np

from framefall.physics.arcs import fit
from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.flight import BLIND, falls, rebound, sideways

LEAST = 6  # frames of a flight
WORST = 3.0
SAG = 0.25  # diameters that a flight must sag

__all__ = ["bounce_ratio", "equal_gravity", "galileo", "sideways", "time_symmetry"]


def galileo(evidence: Evidence) -> Finding:
    """The largest |ln((t1^2 / t2^2) / (h1 / h2))| of falls from rest, and of each fall's first part and whole.

    t is the time since the highest point and h the way down from there (Galileo 1638): equal for all that falls.
    """
    found = [pair for fall in _falls_from_rest(evidence) for pair in fall]
    if len(found) < 2:
        return NOTHING, "nothing is seen to fall from rest"
    logs = [math.log(time**2 / height) for time, height in found]
    return min(WORST, max(logs) - min(logs)), ""


def equal_gravity(evidence: Evidence) -> Finding:
    """The range of ln g over all flights: everything falls alike, whatever its size."""
    found = [g for g, n in falls(evidence) if n >= LEAST]
    if len(found) < 2:
        return NOTHING, "fewer than two flights are seen for long enough"
    if min(found) <= 0 < max(found):
        return WORST, "some things fall up, and some down"
    logs = np.log(np.abs(found))
    return min(WORST, float(np.ptp(logs))), ""


def bounce_ratio(evidence: Evidence) -> Finding:
    """The range of ln e over an object's bounces in a row: the same material, the same restitution."""
    worst: float | None = None
    for motion in evidence.motions:
        ratios = [rebound(evidence, changepoint) for changepoint in motion.changepoints if changepoint.kind == "bounce"]
        told = [ratio for ratio in ratios if ratio is not None and ratio > 0]
        if len(told) > 1:
            worst = max(worst or 0.0, float(np.ptp(np.log(told))))
    return (NOTHING, "no object is seen to bounce twice") if worst is None else (min(WORST, worst), "")


def time_symmetry(evidence: Evidence) -> Finding:
    """How unlike a flight is to itself run backwards: its third power of time over its second, at the flight's ends."""
    worst: float | None = None
    for motion in evidence.motions:
        for span in motion.spans(BLIND if evidence.truth is None else LEAST):
            if evidence.truth is None and motion.is_doubtful(span):
                continue
            since = (span - span.mean()) / (np.ptp(span) / 2)  # -1 .. 1
            height = motion.path.position[span, 1]
            cubic = np.polyfit(since, height, 3)
            arc = fit(motion.path.position, span, evidence.fps, motion.noise)
            across = abs(float(arc.factors[2, 0])) * (np.ptp(span) / evidence.fps / 2) ** 2
            if abs(cubic[1]) < max(2 * SAG * motion.path.size, 3 * across):
                continue
            doubt = 15 * motion.noise / math.sqrt(len(span))
            worst = max(worst or 0.0, max(0.0, abs(float(cubic[0])) - doubt) / abs(float(cubic[1])))
    return (NOTHING, "nothing is in free flight for long enough") if worst is None else (min(WORST, worst), "")


def _falls_from_rest(evidence: Evidence) -> list[list[tuple[float, float]]]:
    """Of each fall: (frames, pixels) since its highest point, of its last frame and of some earlier one."""
    answer = []
    for motion in evidence.motions:
        for span in motion.spans(BLIND if evidence.truth is None else LEAST):
            if evidence.truth is None and motion.is_doubtful(span):
                continue
            place = motion.path.position[span]
            top = _top(span, place[:, 1])
            if top is None:
                continue
            time, height = top
            down = place[:, 1] - height
            # far enough down that the highest point's own uncertainty does not matter
            least = max(SAG * motion.path.size, 30 * motion.noise)
            far = [k for k in range(len(span)) if span[k] - time > 2 and down[k] > least]
            if len(far) < 3:
                continue
            half = min(far, key=lambda k: abs(down[k] - down[far[-1]] / 2))
            pairs = [(float(span[k] - time), float(down[k])) for k in sorted({half, far[-1]})]
            answer.append(pairs)
    return answer


def _top(span: np.ndarray, heights: np.ndarray) -> tuple[float, float] | None:
    """When and where a span is highest, if it is there inside it or at rest at its beginning."""
    highest = int(np.argmin(heights))
    early = slice(max(0, highest - 4), highest + 5)
    frames = span[early]
    if len(frames) < 4:
        return None
    bend, slope, place = np.polyfit(frames - span[highest], heights[early], 2)
    if bend <= 0:
        return None
    since = -slope / (2 * bend)
    if not -2 <= since <= 2:
        return None
    return float(span[highest] + since), float(place + slope * since + bend * since**2)

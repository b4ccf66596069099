"""What happens when things meet: momentum and energy (the law P6), and that two cannot be in one place (P7).

Mass is area times the scene's density; without a scene all have one density, which is an assumption.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from framefall.physics.evidence import NOTHING, Evidence, Finding
from framefall.physics.flight import velocities
from framefall.physics.paths import Path, camera_of, radius_of

MEETS = 20.0  # deviations of a velocity at which two must come together for a blow to be judged
BRIDGE = 0.75  # seconds without a sight of an object over which its way is taken to be straight
TWICE = 2.0  # overlaps are at most this: one wholly in the other


@dataclass(frozen=True, eq=False)
class _Blow:
    """Two objects' masses and velocities, before and after."""

    masses: np.ndarray  # 2
    before: np.ndarray  # [2 objects, 2 axes]
    after: np.ndarray
    normal: np.ndarray


def momentum(evidence: Evidence) -> Finding:
    """|momentum after - before| over the sum of m |v|, of the worst blow between two objects."""
    worst: float | None = None
    for blow in _blows(evidence):
        change = np.linalg.norm(blow.masses @ (blow.after - blow.before))
        speeds = [np.linalg.norm(each, axis=1) for each in (blow.before, blow.after)]
        scale = max(float(blow.masses @ speed) for speed in speeds)
        worst = max(worst or 0.0, float(change) / scale)
    return (NOTHING, "no two objects are seen to collide") if worst is None else (worst, "")


def energy(evidence: Evidence) -> Finding:
    """The kinetic energy after a blow less what the law of restitution leaves, over that before; the worst blow.

    Without a scene only a gain counts: what is lost may be heat.
    """
    worst: float | None = None
    for blow in _blows(evidence):
        before, after = (float(blow.masses @ (each**2).sum(axis=1)) / 2 for each in (blow.before, blow.after))
        if evidence.truth is None:
            wrong = max(0.0, after / before - 1)
        else:
            reduced = float(blow.masses.prod() / blow.masses.sum())
            closing = float((blow.before[0] - blow.before[1]) @ blow.normal)
            lost = reduced * closing**2 / 2 * (1 - evidence.truth.restitution**2)
            wrong = abs(after - (before - lost)) / before
        worst = max(worst or 0.0, wrong)
    return (NOTHING, "no two objects are seen to collide") if worst is None else (min(worst, 3.0), "")


def solidity(evidence: Evidence) -> Finding:
    """The deepest overlap of two objects, or of one with a solid of the scene, over the smaller radius."""
    places = [_bridged(evidence, index) for index in range(len(evidence.motions))]
    radii = [radius_of(path, evidence.truth)[0] for path in evidence.paths]
    worst, judged = 0.0, False
    for one, two in combinations(range(len(places)), 2):
        away = places[one] - places[two]
        apart = np.linalg.norm(away, axis=1)
        judged |= bool(np.isfinite(apart).any())
        both = radii[one] + radii[two]
        depth = both - np.min(apart, where=np.isfinite(apart), initial=np.inf)
        depth = max(depth, both - _through(away, both))
        worst = max(worst, float(depth) / min(radii[one], radii[two]))
    for index, (body, motion) in enumerate(evidence.bodies):
        seen = _well_placed(evidence, motion.path, places[index], body.reach)
        for solid in evidence.truth.solids if evidence.truth is not None and seen.any() else ():
            judged = True
            gap = float(solid.signed_distance(places[index][seen])[0].min())
            worst = max(worst, (body.inside - gap) / body.radius)
    if not judged:
        return NOTHING, "there are no two things that could overlap"
    return min(TWICE, max(0.0, worst)), ""


def _well_placed(evidence: Evidence, path: Path, places: np.ndarray, reach: float) -> np.ndarray:
    """The frames whose places may be held against a solid: whole ones, or cut by the lower border only.

    A centre that the lower border has cut is higher than the true one, so it never makes an overlap.
    """
    assert evidence.truth is not None
    away = places - camera_of(evidence.tracks, evidence.truth)
    low = (away[:, 0] > reach) & (away[:, 0] < evidence.truth.width - reach) & (away[:, 1] > evidence.truth.height / 2)
    lost = ~path.seen  # on a straight line between two sights
    clear = evidence.truth.visible_share(np.nan_to_num(places), 0.0, np.arange(len(places))) > 0
    return np.isfinite(places).all(axis=1) & (path.whole | (clear & (low | lost)))


def _blows(evidence: Evidence) -> Iterator[_Blow]:
    """Every blow between two objects once, if they met fast enough to be judged."""
    masses = [path.size**2 for path in evidence.paths]
    for index, (body, _) in enumerate(evidence.bodies):
        masses[index] = body.mass
    told: list[tuple[set[int], float]] = []
    for changepoint in evidence.changepoints("blow"):
        pair = {changepoint.path, changepoint.other}
        if changepoint.normal is None or any(
            pair == who and abs(when - changepoint.time) * evidence.fps < 2 for who, when in told
        ):
            continue
        theirs = velocities(evidence, changepoint.other, changepoint)
        if theirs is None or not all(changepoint.sure):
            continue
        told.append((pair, changepoint.time))
        before, after = np.stack((changepoint.before, theirs[0])), np.stack((changepoint.after, theirs[1]))
        closing = -float((before[0] - before[1]) @ changepoint.normal)
        size = evidence.motions[changepoint.path].path.size
        if closing > max(MEETS * changepoint.noise, 0.02 * size * evidence.fps):
            yield _Blow(
                np.array([masses[changepoint.path], masses[changepoint.other]]), before, after, changepoint.normal
            )


def _bridged(evidence: Evidence, index: int) -> np.ndarray:
    """An object's places; where it was lost in full view, for a short time, those on a straight line."""
    path = evidence.paths[index]
    places = path.position.copy()
    seen = np.flatnonzero(path.seen)
    for left, right in pairwise(seen.tolist()):
        if 1 < right - left <= BRIDGE * evidence.fps + 1:
            frames = np.arange(left + 1, right)
            share = ((frames - left) / (right - left))[:, None]
            line = places[left] + share * (places[right] - places[left])
            if evidence.truth is None or (evidence.truth.visible_share(line, path.size / 2, frames) > 0.5).all():
                places[frames] = line
    return places


def _through(away: np.ndarray, both: float) -> float:
    """How near two come between frames in which they change sides; infinite if they never do."""
    one, two = away[:-1], away[1:]
    dots = (one * two).sum(axis=1)
    sides = np.isfinite(dots) & (dots < 0)
    if not sides.any():
        return float("inf")
    line = two[sides] - one[sides]
    share = np.clip(-(one[sides] * line).sum(1) / np.maximum((line**2).sum(1), 1e-12), 0, 1)
    nearest = float(np.linalg.norm(one[sides] + share[:, None] * line, axis=1).min())
    # a blow off the centre may turn one about the other; through the middle nothing goes
    return nearest if nearest < both / 2 else float("inf")

"""Where a way bends or breaks, and whether something that touches explains it.

A changepoint lies between two arcs of one path. It is explained by a solid or another object that is touched there
and from which the path comes away, by a rest that ends, by a support that begins or ends, or by a screen behind which
the scene has a contact. In a clip without a scene a path that is thrown back counts as a bounce: the wall may be
unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from framefall.physics.arcs import Arc
from framefall.physics.paths import Path, radius_of
from framefall.physics.truth import Truth

APART = 0.3  # diameters by which two arcs may miss each other and still meet
STILL = 0.1  # diameters: what goes no farther rests
SURE = 5.0  # deviations: a change that is larger is one


@dataclass(frozen=True, eq=False)
class Changepoint:
    """A place between two arcs of one path."""

    path: int
    time: float  # seconds
    place: Float[np.ndarray, "2"]
    before: Float[np.ndarray, "2"]  # velocity, pixels a second
    after: Float[np.ndarray, "2"]
    frames: tuple[int, int]  # the last of the arc before, the first of the arc after
    kind: str  # bounce, blow, release, support, hidden; or jump, bend, kick: nothing explains it
    other: int = -1  # of a blow: the other path
    normal: Float[np.ndarray, "2"] | None = None  # of a bounce or a blow, towards this path
    noise: float = 0.0  # pixels a second, of a velocity
    sure: tuple[bool, bool] = (False, False)  # whether the velocities before and after are well told

    @property
    def explained(self) -> bool:
        """Whether physics allows it."""
        return self.kind in ("bounce", "blow", "release", "support", "hidden")


def classified(
    changepoint: Changepoint,
    gap: float,
    one: Arc,
    paths: Sequence[Path],
    arcs: Sequence[tuple[Arc, ...]],
    fps: float,
    truth: Truth | None,
) -> Changepoint:
    """A changepoint with its kind: its two arcs miss each other by `gap` pixels, and the arc before it is `one`."""
    path = paths[changepoint.path]
    kicked = changepoint.after - changepoint.before
    strong = float(np.linalg.norm(kicked)) > max(SURE * changepoint.noise, 1e-9)
    if truth is not None:
        body = next((body for body in truth.bodies if body.name == path.body), None)
        times = np.arange(changepoint.frames[0], changepoint.frames[1] + 1) / fps
        unseen = ~path.seen[changepoint.frames[0] : changepoint.frames[1] + 1]
        if body is not None and unseen.any() and any(times[0] <= struck <= times[-1] for struck in body.contact_times):
            return replace(changepoint, kind="hidden")
    if gap > APART * path.size + 0.5:
        return replace(changepoint, kind="jump")
    if strong:
        found = _blow(changepoint, paths, arcs, fps, truth) or _bounce(changepoint, path, truth)
        if found is not None:
            return found
    if (
        one.frames[0] == np.flatnonzero(path.seen)[0]
        and np.ptp(path.position[one.frames], axis=0).max() < STILL * path.size
    ):
        held = truth is None or any(
            b.name == path.body and changepoint.time <= b.release + 2 / fps for b in truth.bodies
        )
        if held:
            return replace(changepoint, kind="release")
    if truth is not None:
        inner, reach = radius_of(path, truth)
        near = max(inner + 0.15 * path.size, reach) + 0.5
        for solid in truth.solids:
            if float(solid.signed_distance(changepoint.place[None])[0][0]) < near:
                return replace(changepoint, kind="support")
    return replace(changepoint, kind="kick" if strong else "bend")


def _blow(
    changepoint: Changepoint, paths: Sequence[Path], arcs: Sequence[tuple[Arc, ...]], fps: float, truth: Truth | None
) -> Changepoint | None:
    """Another object that is touched, and that came towards this one."""
    own = radius_of(paths[changepoint.path], truth)
    for index, other in enumerate(paths):
        arc = _place_at(arcs[index], changepoint.time - 0.5 / fps, fps) if index != changepoint.path else None
        if arc is None:
            continue
        away = changepoint.place - arc.at(changepoint.time)
        apart = float(np.linalg.norm(away))
        theirs = radius_of(other, truth)
        far = max(1.1 * (own[0] + theirs[0]), own[1] + theirs[1]) + 0.04 * paths[changepoint.path].size + 0.5
        normal = away / max(apart, 1e-9)
        closing = float((arc.velocity(changepoint.time - 1 / fps) - changepoint.before) @ normal)
        if apart < far and closing > 0 and float((changepoint.after - changepoint.before) @ normal) > 0:
            return replace(changepoint, kind="blow", other=index, normal=normal)
    return None


def _bounce(changepoint: Changepoint, path: Path, truth: Truth | None) -> Changepoint | None:
    """A solid that is touched, or, where none is known, a path that is thrown back."""
    kicked = changepoint.after - changepoint.before
    if truth is None:
        normal = kicked / np.linalg.norm(kicked)
        into, out = float(changepoint.before @ normal), float(changepoint.after @ normal)
        return replace(changepoint, kind="bounce", normal=normal) if into < 0 and out > -0.05 * abs(into) else None
    inner, reach = radius_of(path, truth)
    for solid in truth.solids:
        gap, normal = (each[0] for each in solid.signed_distance(changepoint.place[None]))
        into, out = float(changepoint.before @ normal), float(changepoint.after @ normal)
        if (
            gap < max(inner + 0.15 * path.size, reach) + 0.5
            and into < 0
            and out > -0.05 * abs(into) - changepoint.noise
        ):
            return replace(changepoint, kind="bounce", normal=normal)
    return None


def _place_at(arcs: Sequence[Arc], time: float, fps: float) -> Arc | None:
    """The arc that tells where an object is at a moment; none farther than two frames from all of them."""
    near = [
        (max(arc.frames[0] / fps - time, time - arc.frames[-1] / fps, 0.0), arc) for arc in arcs if len(arc.frames) > 1
    ]
    best = min(near, key=lambda pair: (pair[0], -len(pair[1].frames)), default=None)
    return best[1] if best is not None and best[0] <= 2 / fps else None

"""How much of each body can be seen, by geometry alone: it can therefore check the renderer's mattes."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from framefall.worlds.scene import Body, Fixture
from framefall.worlds.shapes import OUTLINES
from framefall.worlds.state import Appearance, FrameTimes, StateLog

POINTS = 2048  # inside each body

Shares = dict[str, Float[np.ndarray, " frames"]]


def visible_fraction(log: StateLog, times: FrameTimes) -> Shares:
    """How much of each body can be seen in the scene's whole picture at each moment, 0..1.

    By geometry alone: points spread over the body are tested against the view, nearer bodies and front fixtures.
    """
    return {body.name: hidden_shares(log, body.name, times)[0] for body in log.scene.bodies}


def hidden_shares(log: StateLog, name: str, times: FrameTimes) -> tuple[Float[np.ndarray, " frames"], Shares]:
    """The share of one body that is seen, and for each thing nearer than it the share that it hides.

    What several hide counts for the nearest of them; what lies beyond the picture's edge counts for none.
    """
    scene = log.scene
    index = [body.name for body in scene.bodies].index(name)
    nearer: list[Fixture | Body] = [f for f in reversed(scene.fixtures) if f.front and f.follows is None]
    nearer += reversed(scene.bodies[index + 1 :])
    moving = [name, *(body.name for body in scene.bodies[index + 1 :])]
    looks = {moved: log.appearances_at(moved, times) for moved in moving}
    states = {moved: log.tracks[moved].at(times) for moved in moving}
    corner = np.asarray(scene.camera.start) + np.asarray(times)[:, None] * np.asarray(scene.camera.velocity)
    seen = np.zeros(len(times))
    hides = {thing.name: np.zeros(len(times)) for thing in nearer}
    for frame, look in enumerate(looks[name]):
        if not look.shown:
            continue
        turned = _turned(_points(look.shape), states[name].rotation[frame, 0])
        points = states[name].position[frame] + look.radius * turned
        place = points - corner[frame]
        left = ((place >= 0) & (place <= (scene.width, 1.0))).all(axis=1)
        for thing in nearer:
            if isinstance(thing, Fixture):
                inside = _in_fixture(points, thing)
            else:
                other = states[thing.name]
                away = points - other.position[frame]
                inside = _in_body(away, looks[thing.name][frame], other.rotation[frame, 0])
            hides[thing.name][frame] = (left & inside).mean()
            left &= ~inside
        seen[frame] = left.mean()
    return seen, hides


def _points(shape: str) -> Float[np.ndarray, "points 2"]:
    """Evenly spread points inside a shape of unit radius at angle 0."""
    if shape not in _POINTS:
        corners = OUTLINES[shape]
        if not len(corners):
            u = halton(POINTS)
            radius, angle = np.sqrt(u[:, 0]), 2 * np.pi * u[:, 1]
            _POINTS[shape] = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
        else:
            low, high = corners.min(axis=0), corners.max(axis=0)
            points = low + (high - low) * halton(4 * POINTS)
            _POINTS[shape] = points[_in_polygon(points, corners)][:POINTS]
    return _POINTS[shape]


_POINTS: dict[str, np.ndarray] = {}


def halton(count: int, bases: Sequence[int] = (2, 3)) -> Float[np.ndarray, "count axes"]:
    """Evenly spread points of the unit square (Halton 1960)."""
    points = np.zeros((count, len(bases)))
    for column, base in enumerate(bases):
        place, rest = 1.0 / base, np.arange(1, count + 1)
        while rest.any():
            points[:, column] += place * (rest % base)
            rest, place = rest // base, place / base
    return points


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _in_body(points: np.ndarray, look: Appearance, angle: float) -> Bool[np.ndarray, " points"]:
    """Which points, from the body's centre, are inside it."""
    if not look.shown:
        return np.zeros(len(points), dtype=bool)
    corners = OUTLINES[look.shape]
    if not len(corners):
        return (points**2).sum(axis=1) <= look.radius**2
    return _in_polygon(_turned(points, -angle), look.radius * corners)


def _in_fixture(points: np.ndarray, fixture: Fixture) -> Bool[np.ndarray, " points"]:
    corners = np.asarray(fixture.points, dtype=np.float64)
    inside = _in_polygon(points, corners) if len(corners) > 2 else np.zeros(len(points), dtype=bool)
    if fixture.thickness > 0:
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            line = end - start
            along = np.clip((points - start) @ line / max(float(line @ line), 1e-18), 0.0, 1.0)
            inside |= ((points - start - along[:, None] * line) ** 2).sum(axis=1) <= fixture.thickness**2
    return inside


def _in_polygon(points: np.ndarray, corners: np.ndarray) -> Bool[np.ndarray, " points"]:
    """Convex, either way round."""
    sides = np.roll(corners, -1, axis=0) - corners
    away = points[:, None] - corners
    cross = sides[:, 0] * away[..., 1] - sides[:, 1] * away[..., 0]
    return (cross >= 0).all(axis=1) | (cross <= 0).all(axis=1)

"""When things happen in a log: who is in view, hidden, in flight, sliding or struck, as moments for a twin to part at.

Asked of the geometry and the tracks alone, so it holds for any scene, drawn or hand-made.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from framefall.worlds.scene import Body, Fixture
from framefall.worlds.shapes import outline, reach
from framefall.worlds.state import Contact, StateLog, Track

RATE = 120.0  # moments a second at which views and occlusions are looked at
SAME_TIME = 2e-6  # a rounded log's knots and contacts agree to this
SLOW = 0.05  # heights a second; below it nobody sees a motion or a blow

Span = tuple[float, float]


@dataclass(frozen=True)
class Moment:
    """A stretch of time in which something may go wrong with a body, and the other thing that has a part in it."""

    body: str
    start: float
    end: float
    other: str = ""


@dataclass(frozen=True)
class Blow:
    """A jump of velocity at a contact: the states just before and after it, of each body that took part."""

    contact: Contact
    time: float  # of the knots
    before: dict[str, tuple[float, ...]]
    after: dict[str, tuple[float, ...]]


def grid(log: StateLog) -> Float[np.ndarray, " n"]:
    """The moments at which a log is looked at."""
    return np.arange(math.floor(log.scene.seconds * RATE) + 1) / RATE


def spans(times: Float[np.ndarray, " n"], flags: Bool[np.ndarray, " n"], least: float = 0.0) -> list[Span]:
    """The first and last moment of every run of true flags that lasts at least so long."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    runs = [(float(times[a]), float(times[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [run for run in runs if run[1] - run[0] >= least]


def body_of(log: StateLog, name: str) -> Body:
    """A body by its name."""
    return next(body for body in log.scene.bodies if body.name == name)


def is_hidden(log: StateLog, name: str, times: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether every point of a body is behind one front fixture."""
    body, state = body_of(log, name), log.tracks[name].at(times)
    answer = np.zeros(len(times), bool)
    for fixture in log.scene.fixtures:
        if fixture.front and fixture.follows is None:
            inside = np.ones(len(times), bool)
            for normal, offset in _edges(fixture):
                inside &= state.position @ normal + _reach_along(body, state.rotation[:, 0], normal) <= offset
            answer |= inside
    return answer


def is_seen(log: StateLog, name: str, times: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether a body's centre is in the picture and the body is not hidden."""
    camera = log.scene.camera
    corner = np.asarray(camera.start) + np.asarray(times)[:, None] * np.asarray(camera.velocity)
    place = log.tracks[name].at(times).position - corner
    inside = ((place > 0) & (place < (log.scene.width, 1.0))).all(axis=1)
    return inside & ~is_hidden(log, name, times)


def hidden(log: StateLog, name: str) -> list[Span]:
    """When a body is hidden and is seen both before and after."""
    times = grid(log)
    seen = times[is_seen(log, name, times)]
    runs = spans(times, is_hidden(log, name, times))
    return [run for run in runs if len(seen) and seen[0] < run[0] and run[1] < seen[-1] - 0.15]


def flights(log: StateLog, name: str, least: float = 0.3) -> list[Span]:
    """When nothing but gravity acts on a body, in a scene with gravity."""
    gravity = log.scene.gravity
    if gravity <= 0 or body_of(log, name).pivot is not None:
        return []
    return _pieces(log, name, lambda a, _: abs(a[0]) + abs(a[1] + gravity) < 0.01 * gravity, least)


def slides(log: StateLog, name: str, least: float = 0.3) -> list[Span]:
    """When a body gains speed along a straight line that is not the fall's."""
    gravity = log.scene.gravity
    if gravity <= 0 or body_of(log, name).pivot is not None:
        return []

    def gains(a: np.ndarray, v: np.ndarray) -> bool:
        along, across = float(a @ v), float(a[0] * v[1] - a[1] * v[0])
        falls = abs(a[0]) + abs(a[1] + gravity) < 0.01 * gravity
        return bool(np.linalg.norm(a) > SLOW and along > 0 and abs(across) < 0.02 * along and not falls)

    return _pieces(log, name, gains, least)


def moving(log: StateLog, name: str, least: float = 0.3) -> list[Span]:
    """When a body visibly moves."""
    times = grid(log)
    speed = np.linalg.norm(log.tracks[name].at(times).velocity, axis=1)
    return spans(times, speed > SLOW, least)


def blows(log: StateLog, speed: float = SLOW) -> Iterator[Blow]:
    """The contacts at which velocities jump, with the states on both sides."""
    for contact in log.contacts:
        names = [name for name in (contact.first, contact.second) if name in log.tracks]
        times = {name: _jump(log.tracks[name], contact.time) for name in names}
        found = [time for time in times.values() if time is not None]
        if contact.speed < speed or not found:
            continue
        before = {name: log.tracks[name].before(found[0]) for name in names}
        yield Blow(contact, found[0], before, {name: log.tracks[name].knot(found[0]) for name in names})


def clearance(log: StateLog, time: float, name: str, place: Float[np.ndarray, "2"]) -> float:
    """How far a body put at `place` would be from its nearest neighbour; below 0 it overlaps it or leaves the view.

    A body that rests on something now may rest on it there.
    """
    body = body_of(log, name)
    size = reach(body.shape, body.radius)
    now = np.asarray(log.tracks[name].before(time)[1:3])
    corner = np.asarray(log.scene.camera.start) + time * np.asarray(log.scene.camera.velocity)
    far = corner + np.array([log.scene.width, 1.0])
    room = [*(place - corner - size), *(far - place - size)]
    for other in log.scene.bodies:
        if other.name != name:
            apart = place - np.asarray(log.tracks[other.name].before(time)[1:3])
            room.append(float(np.linalg.norm(apart)) - size - reach(other.shape, other.radius))
    for fixture in log.scene.fixtures:
        if fixture.solid and fixture.follows is None:
            room.append(_apart(fixture, place) - min(size, _apart(fixture, now)))
        elif fixture.front:
            room.append(_apart(fixture, place))
    return float(min(room))


def _edges(fixture: Fixture) -> list[tuple[np.ndarray, float]]:
    """Outward normals and offsets of a convex polygon's sides; a line counts as the strip that it paints."""
    points = np.asarray(fixture.points)
    if len(points) == 2:
        along = (points[1] - points[0]) / np.linalg.norm(points[1] - points[0])
        across = np.array([-along[1], along[0]])
        side = float(across @ points[0])
        ends = [(along, float(along @ points[1])), (-along, -float(along @ points[0]))]
        return [(across, side + fixture.thickness), (-across, fixture.thickness - side), *ends]
    sides = np.roll(points, -1, axis=0) - points
    normals = np.stack((sides[:, 1], -sides[:, 0]), axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
    offsets = (normals * points).sum(axis=1) + fixture.thickness
    return list(zip(normals, offsets.tolist(), strict=True))


def _apart(fixture: Fixture, place: np.ndarray) -> float:
    """About how far a point is from a fixture (exact beside a side, short of it beside a corner)."""
    return max(float(normal @ place) - offset for normal, offset in _edges(fixture))


def _reach_along(body: Body, angles: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """How far a body at each angle reaches from its centre towards a direction."""
    corners = outline(body.shape, body.radius)
    if not len(corners):
        return np.full(len(angles), body.radius)
    cosine, sine = np.cos(angles), np.sin(angles)
    turned = np.stack((cosine * normal[0] + sine * normal[1], cosine * normal[1] - sine * normal[0]), axis=1)
    return (turned @ corners.T).max(axis=1)


def _pieces(log: StateLog, name: str, holds: Callable[[np.ndarray, np.ndarray], bool], least: float) -> list[Span]:
    """Runs of track pieces whose mean acceleration and velocity have a property, and that end in the clip."""
    table = np.asarray(log.tracks[name].knots)
    runs: list[Span] = []
    for left, right in pairwise(table):
        span = right[0] - left[0]
        if span <= 0:
            continue
        even = (right[3:5] - left[3:5]) / span
        if not holds(even, (right[1:3] - left[1:3]) / span):
            continue
        joined = bool(runs) and runs[-1][1] == left[0] and _jump(log.tracks[name], float(left[0])) is None
        runs[-1:] = [(runs[-1][0], float(right[0]))] if joined else [*runs[-1:], (float(left[0]), float(right[0]))]
    return [run for run in runs if run[1] - run[0] >= least]


def _jump(track: Track, time: float) -> float | None:
    """The time of two knots that stand at about one moment with unlike velocities."""
    for one, two in pairwise(track.knots):
        if one[0] == two[0] and abs(one[0] - time) < SAME_TIME and one[3:5] != two[3:5]:
            return one[0]
    return None

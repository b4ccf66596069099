"""When two things meet: the first moment at which a point on a parabola enters a rounded convex polygon.

Two bodies that do not turn touch when the difference of their centres enters the Minkowski difference of their
outlines, so one question covers disc and disc, disc and wall, box and floor, box and box. All moments are roots of
polynomials (of degree 2 for edges and for even relative motion, else 4); nothing is stepped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framefall.worlds.scene import Point

TOUCH = 1e-6  # heights: what is nearer than this touches
STILL = 1e-9  # heights a second: slower than this stands still, and comes no nearer


@dataclass(frozen=True)
class Edge:
    """One straight side: `normal . p = offset` along it, and `tangent . p` runs from `start` for `length`."""

    normal: Point
    tangent: Point
    offset: float
    start: float
    length: float


@dataclass(frozen=True)
class Obstacle:
    """Where a centre cannot go: a convex polygon (or a line, or a point) made wider by `margin` all round."""

    corners: tuple[Point, ...]  # anticlockwise
    margin: float
    edges: tuple[Edge, ...]

    def gap(self, point: Point) -> float:
        """The distance of a point from the obstacle; below 0 inside it."""
        x, y = point
        sides = [edge.normal[0] * x + edge.normal[1] * y - edge.offset for edge in self.edges]
        if sides and max(sides) <= -self.margin:
            return max(sides)
        beside = [math.hypot(x - corner[0], y - corner[1]) - self.margin for corner in self.corners]
        for edge, side in zip(self.edges, sides, strict=True):
            along = edge.tangent[0] * x + edge.tangent[1] * y - edge.start
            if side > -self.margin and 0 <= along <= edge.length:
                beside.append(side)
        return min(beside)


def minkowski_difference(still: Sequence[Point], moving: Sequence[Point], margin: float) -> Obstacle:
    """What the centre of `moving` (corners around it) meets of `still`; `margin` is the sum of both roundings."""
    sums = sorted({(ax - bx, ay - by) for ax, ay in still for bx, by in moving or ((0.0, 0.0),)})
    corners = _hull(sums)
    edges = []
    for index, (ax, ay) in enumerate(corners if len(corners) > 1 else ()):
        bx, by = corners[(index + 1) % len(corners)]
        length = math.hypot(bx - ax, by - ay)
        # along the tangent the outside is on the left, so that on a floor it points to the right
        tx, ty = (ax - bx) / length, (ay - by) / length
        edges.append(Edge((-ty, tx), (tx, ty), -ty * ax + tx * ay + margin, tx * bx + ty * by, length))
    return Obstacle(tuple(corners), margin, tuple(edges))


def time_of_impact(what: Obstacle, p: Point, v: Point, a: Point, horizon: float) -> tuple[float, Point | None] | None:
    """The first moment within `horizon` at which `p + v s + a s^2 / 2` touches from outside, and the normal there.

    None where it does not; a normal of None means a sharp corner.
    """
    found: tuple[float, Point | None] | None = None
    if not _boxes_cross(what, p, v, a, horizon):
        return None
    for edge in what.edges:
        (nx, ny), (tx, ty) = edge.normal, edge.tangent
        time = first_crossing(nx * p[0] + ny * p[1] - edge.offset, nx * v[0] + ny * v[1], nx * a[0] + ny * a[1])
        if time < horizon:
            x, y = (p[axis] + time * (v[axis] + 0.5 * time * a[axis]) for axis in (0, 1))
            along = tx * x + ty * y - edge.start
            way = tx * v[0] + ty * v[1]
            going = time == 0 and ((along > edge.length - TOUCH and way > 0) or (along < TOUCH and way < 0))
            if -STILL <= along <= edge.length + STILL and not going:  # not where it just leaves the edge
                sharp = what.margin == 0 and not TOUCH < along < edge.length - TOUCH
                found, horizon = (time, None if sharp else edge.normal), time
    if what.margin:
        for corner in what.corners:
            time = _enter_circle((p[0] - corner[0], p[1] - corner[1]), v, a, what.margin, horizon)
            if time < horizon:
                x, y = (p[axis] + time * (v[axis] + 0.5 * time * a[axis]) - corner[axis] for axis in (0, 1))
                size = math.hypot(x, y)
                found, horizon = (time, (x / size, y / size)), time
    return found


def first_crossing(gap: float, speed: float, pull: float) -> float:
    """The first time at which `gap + speed s + pull s^2 / 2` falls through 0; infinite if it never does."""
    speed, pull = (0.0 if abs(speed) < STILL else speed), (0.0 if abs(pull) < STILL else pull)
    if abs(gap) < TOUCH and (speed < 0 or (speed == 0 and pull < 0)):
        return 0.0
    inner = speed * speed - 2 * pull * gap
    if inner < 0:
        return math.inf
    root = math.sqrt(inner)
    if speed < 0:
        time = 2 * gap / (root - speed)
    elif pull < 0:
        time = (speed + root) / -pull
    else:
        return math.inf
    return time if time >= 0 else math.inf


def _hull(points: list[Point]) -> list[Point]:
    """The convex hull of sorted points, anticlockwise (Andrew 1979); points on a side are left out."""
    if len(points) < 3:
        return points
    chains: list[list[Point]] = []
    for run in (points, points[::-1]):
        chain: list[Point] = []
        for x, y in run:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 1e-12:
                    break
                chain.pop()
            chain.append((x, y))
        chains.append(chain[:-1])
    return chains[0] + chains[1]


def _boxes_cross(what: Obstacle, p: Point, v: Point, a: Point, horizon: float) -> bool:
    """Whether the box around the way crosses the box around the obstacle: most do not, and that is cheap to see."""
    for axis in (0, 1):
        ends = [p[axis], p[axis] + horizon * (v[axis] + 0.5 * horizon * a[axis])]
        if a[axis] and 0 < -v[axis] / a[axis] < horizon:
            ends.append(p[axis] - 0.5 * v[axis] ** 2 / a[axis])
        side = [corner[axis] for corner in what.corners]
        reach = what.margin + TOUCH
        if max(ends) < min(side) - reach or min(ends) > max(side) + reach:
            return False
    return True


def _enter_circle(d: Point, v: Point, a: Point, radius: float, horizon: float) -> float:
    """The first time at which `d + v s + a s^2 / 2` comes within `radius` of the origin, from outside."""
    closing = d[0] * v[0] + d[1] * v[1]
    speed2 = v[0] ** 2 + v[1] ** 2
    room = d[0] ** 2 + d[1] ** 2 - radius**2
    near = abs(room) < 2 * radius * TOUCH
    if near and closing < -STILL * radius:
        return 0.0
    if not a[0] and not a[1]:
        inner = closing**2 - speed2 * room
        # a grazing touch is none
        return room / (math.sqrt(inner) - closing) if closing < 0 < room and inner > 1e-12 * speed2 else math.inf
    bend = speed2 + d[0] * a[0] + d[1] * a[1]
    quartic = [0.25 * (a[0] ** 2 + a[1] ** 2), v[0] * a[0] + v[1] * a[1], bend, 2 * closing, 0.0 if near else room]
    slope = np.polyder(quartic)
    times = [float(root.real) for root in np.roots(quartic) if abs(root.imag) < 1e-7]
    for time in sorted(times):
        fall = float(np.polyval(slope, time))
        if 1e-9 < time < horizon and fall < -1e-6 * radius:
            return time - float(np.polyval(quartic, time)) / fall  # a step of Newton's
    return math.inf

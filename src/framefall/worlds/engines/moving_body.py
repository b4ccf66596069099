"""A body between two events of the analytic engine: an even acceleration, in the air or along an edge."""

import math
from dataclasses import dataclass, field

from framefall.worlds.engines.time_of_impact import STILL, TOUCH, Obstacle, first_crossing
from framefall.worlds.scene import Body, Point
from framefall.worlds.shapes import outline, reach


@dataclass(frozen=True)
class Ground:
    """The edge that a body rests, slides or rolls on."""

    fixture: int
    name: str
    normal: Point
    ends: tuple[float, float]  # where it begins and ends, along its tangent
    margin: float  # from the edge's core to the body's centre, if the body is a ball
    wedged: bool = False  # another edge stops the body: it rests

    @property
    def tangent(self) -> Point:
        """Along the edge, the outside on the left: to the right on a floor."""
        return self.normal[1], -self.normal[0]


@dataclass(eq=False)
class MovingBody:
    """A body in motion: its state at `time`, and the even accelerations from then on."""

    body: Body
    index: int  # in the list of moving bodies
    corners: tuple[Point, ...]  # around its centre, turned; none for a ball
    margin: float  # a ball's radius
    position: Point
    angle: float
    velocity: Point = (0.0, 0.0)
    acceleration: Point = (0.0, 0.0)
    spin: float = 0.0
    angular_acceleration: float = 0.0  # radians a second squared
    time: float = 0.0
    held: bool = False
    turning: bool = False  # a polygon that turns may fly, but not touch
    ground: Ground | None = None
    change: float = math.inf  # when its motion changes by itself
    leaves: bool = False  # whether it comes to the end of its edge then
    strike: tuple[float, int, Point | None] = (math.inf, -1, None)  # when it hits which fixture, and the normal there
    obstacles: list[Obstacle] = field(default_factory=list)  # one a fixture
    knots: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def inverse_mass(self) -> float:
        """1 / mass; what is held does not give way."""
        return 0.0 if self.held else 1.0 / (self.body.density * math.pi * self.body.radius**2)

    def at(self, time: float) -> tuple[Point, Point]:
        """Its position and velocity at a later time."""
        span = time - self.time
        (x, y), (vx, vy), (ax, ay) = self.position, self.velocity, self.acceleration
        return (x + span * (vx + 0.5 * span * ax), y + span * (vy + 0.5 * span * ay)), (vx + span * ax, vy + span * ay)

    def advance(self, time: float) -> None:
        """Go on to `time` and leave a knot there."""
        span = time - self.time
        self.position, self.velocity = self.at(time)
        self.angle += span * (self.spin + 0.5 * span * self.angular_acceleration)
        self.spin += span * self.angular_acceleration
        self.time = time
        self.add_knot()

    def add_knot(self) -> None:
        """Leave a knot, if it says something new."""
        knot = (self.time, *self.position, *self.velocity, self.angle, self.spin)
        if not self.knots or self.knots[-1] != knot:
            self.knots.append(knot)

    def push(self, normal: Point, speed: float) -> None:
        """Change the velocity along a normal."""
        self.velocity = (self.velocity[0] + speed * normal[0], self.velocity[1] + speed * normal[1])

    def update_acceleration(self, gravity: float, friction: float) -> None:
        """Choose the accelerations from now on, and foresee when they change."""
        self.change, self.leaves = math.inf, False
        if self.ground is None:
            self.acceleration, self.angular_acceleration = (0.0, -gravity), 0.0
        elif self.ground.wedged:
            self.velocity, self.acceleration, self.spin, self.angular_acceleration = (0.0, 0.0), (0.0, 0.0), 0.0, 0.0
        else:
            self._accelerate_along(self.ground, gravity, friction)

    def _accelerate_along(self, ground: Ground, gravity: float, friction: float) -> None:
        """Rest, slide or roll: Coulomb's friction under gravity's share along the edge."""
        tangent, radius = ground.tangent, self.margin
        drive, grip = -gravity * tangent[1], friction * gravity * ground.normal[1]
        speed = dot(tangent, self.velocity)
        # a ball's slip is that of its lowest point, and friction (f along the edge, 2 f / r in turn) acts on it thrice
        slip, share = (speed + self.spin * radius, 3.0) if radius else (speed, 1.0)
        if abs(slip) < STILL and abs(drive) <= share * grip + STILL:
            force, stops = -drive / share, math.inf
            speed = speed if radius else 0.0
            self.spin = -speed / radius if radius else 0.0
        else:
            way = math.copysign(1.0, slip if abs(slip) >= STILL else drive)
            force = -way * grip
            rate = drive + share * force
            stops = -slip / rate if abs(slip) >= STILL and rate * slip < 0 else math.inf
        pull = drive + force
        self.velocity = (speed * tangent[0], speed * tangent[1])
        self.acceleration = (pull * tangent[0], pull * tangent[1])
        self.angular_acceleration = 2 * force / radius if radius else 0.0
        foot = dot(tangent, self.position)
        ends = first_crossing(foot - ground.ends[0], speed, pull), first_crossing(ground.ends[1] - foot, -speed, -pull)
        self.leaves = min(ends) < stops
        self.change = self.time + min(*ends, stops)

    def stop_slipping(self) -> None:
        """The moment at which slipping ends: the slip is exactly 0 from here on."""
        if self.ground is not None:
            speed = dot(self.ground.tangent, self.velocity)
            if self.margin:
                self.spin = -speed / self.margin
            else:
                self.velocity = (0.0, 0.0)


def moving_body(body: Body, index: int) -> MovingBody:
    """A body at the beginning."""
    cosine, sine = math.cos(body.angle), math.sin(body.angle)
    corners = tuple(
        (float(x * cosine - y * sine), float(x * sine + y * cosine)) for x, y in outline(body.shape, body.radius)
    )
    turning = bool(corners) and body.spin != 0
    held = body.release > 0
    return MovingBody(
        body=body,
        index=index,
        corners=() if turning else corners,
        margin=reach(body.shape, body.radius) if turning or not corners else 0.0,
        position=(body.position[0], body.position[1]),
        angle=body.angle,
        velocity=(0.0, 0.0) if held else (body.velocity[0], body.velocity[1]),
        spin=0.0 if held else body.spin,
        held=held,
        turning=turning,
        change=body.release if held else math.inf,
    )


def face(corners: tuple[Point, ...], normal: Point) -> tuple[float, float]:
    """The part of an outline that touches on the side of a normal: from, to along the tangent."""
    heights = [dot(normal, corner) for corner in corners or ((0.0, 0.0),)]
    tangent = (normal[1], -normal[0])
    top = max(heights)
    along = [
        dot(tangent, corner)
        for corner, height in zip(corners or ((0.0, 0.0),), heights, strict=True)
        if height > top - TOUCH
    ]
    return min(along), max(along)


def dot(a: Point, b: Point) -> float:
    """The scalar product."""
    return a[0] * b[0] + a[1] * b[1]

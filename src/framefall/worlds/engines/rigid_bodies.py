"""The engine for what touches for long: stacks, pours, whatever turns when it is hit. Chipmunk, through pymunk.

Velocities are kept half a sub-step behind the positions, as in the leapfrog method, so that free flight lies on the
exact parabola (Chipmunk's own step is of first order). What stays of first order are blows: one is noticed up to a
sub-step late, at a depth of closing speed times sub-step, and every bounce gains or loses that much height. At
`SUBSTEPS` discs poured into a jar overlap by 0.002 heights at most (0.009 at 120, 0.001 at 480), half a pixel at 256.
`_SLOP` and `_BIAS` take the overlap away; Chipmunk's own values are for lengths in pixels and far too large here.
Nothing sleeps and nothing is random: the same scene gives the same log.
"""

import math

import numpy as np
import pymunk
from jaxtyping import Float
from pymunk import batch

from framefall.worlds.engines.knot_removal import needed_knots
from framefall.worlds.scene import Body, Scene
from framefall.worlds.shapes import OUTLINES, outline, reach
from framefall.worlds.state import Contact, StateLog, Track

SUBSTEPS = 360  # a second: 15 a frame at 24 fps
_ITERATIONS = 10  # of the solver, Chipmunk's own number: a stack of five stands as still with 5 as with 40
_SLOP = 1e-4  # heights that things may overlap for ever: a fortieth of a pixel at 256
_BIAS = 1e-4  # the share of an overlap that is left after a second
_TOLERANCE = 3e-4  # heights, of the curve between knots
_ROUND = 0.1  # what a ball's turn counts
_DECIMALS = 5  # kept in a knot, far inside that tolerance
_JUMP = 0.1  # heights a second: a change of velocity in one sub-step that is a blow
_TAP = 0.02  # heights a second: slower touches of things that have touched before are not logged


def simulate(scene: Scene, substeps: int = SUBSTEPS) -> StateLog:
    """What happens in a flat scene, in fixed sub-steps (so many a second)."""
    if any(len(body.position) != 2 or body.shape not in OUTLINES for body in scene.bodies):
        raise ValueError(f'the pymunk engine needs a flat scene, and {scene.key} has depth; use engine="mujoco"')
    run = _Simulation(scene, math.ceil(scene.seconds * substeps - 1e-9))
    values = run.run()
    return StateLog(scene=scene, tracks=_tracks(scene, values), contacts=tuple(sorted(run.contacts, key=_by_time)))


class _Simulation:
    """A Chipmunk space and the log of its touches."""

    def __init__(self, scene: Scene, steps: int) -> None:
        self.scene, self.steps, self.dt = scene, steps, scene.seconds / steps
        self.contacts: list[Contact] = []
        self.met: set[tuple[str, str]] = set()
        self.now = 0.0
        self.space = pymunk.Space()
        self.space.gravity = (0.0, -scene.gravity)
        self.space.iterations, self.space.collision_slop, self.space.collision_bias = _ITERATIONS, _SLOP, _BIAS
        self.names: dict[pymunk.Shape, str] = {}
        for fixture in scene.fixtures:
            if fixture.solid and fixture.follows is None:
                shape: pymunk.Shape = (
                    pymunk.Segment(self.space.static_body, *fixture.points, fixture.thickness)
                    if len(fixture.points) == 2
                    else pymunk.Poly(self.space.static_body, fixture.points, radius=fixture.thickness)
                )
                self._add(shape, fixture.name)
        self.bodies = [self._body(body) for body in scene.bodies]
        self.space.on_collision(begin=self._touch)

    def run(self) -> Float[np.ndarray, "bodies n 3"]:
        """Position and angle of every body at the beginning and after every sub-step."""
        buffer = batch.Buffer()
        fields = batch.BodyFields.BODY_ID | batch.BodyFields.POSITION | batch.BodyFields.ANGLE
        # chipmunk lists static bodies apart, so the rows' order changes when a body is let go: they carry their ids
        batch.get_space_bodies(self.space, fields, buffer)
        waiting = [pair for pair in zip(self.scene.bodies, self.bodies, strict=True) if pair[0].release > 0]
        rods = [pair for pair in zip(self.scene.bodies, self.bodies, strict=True) if pair[0].pivot is not None]
        for step in range(1, self.steps + 1):
            self.now = step * self.dt
            self.space.step(self.dt)
            for body, held in [pair for pair in waiting if pair[0].release <= self.now]:
                self._let_go(body, held, self.now - body.release)
                waiting.remove((body, held))
            for body, bob in rods:
                bob.angle = _rod_angle(body, bob.position)
            batch.get_space_bodies(self.space, fields, buffer)
        ids = np.frombuffer(buffer.int_buf(), np.uintp)
        rows = np.frombuffer(buffer.float_buf()).reshape(len(ids), 3)
        return np.stack([rows[ids == body.id] for body in self.bodies])

    def _body(self, body: Body) -> pymunk.Body:
        made = pymunk.Body(*_inertia(body))
        made.position, made.angle = body.position, body.angle
        self.space.add(made)
        corners = outline(body.shape, body.radius).tolist()
        self._add(pymunk.Poly(made, corners) if corners else pymunk.Circle(made, body.radius), body.name)
        if body.pivot is not None:
            joint = pymunk.PinJoint(self.space.static_body, made, body.pivot, (0.0, 0.0))
            joint.error_bias = 0.0  # the rod's whole error is put right in every sub-step
            joint.collide_bodies = False
            self.space.add(joint)
        if body.release > 0:
            made.body_type = pymunk.Body.KINEMATIC
        else:
            self._let_go(body, made, 0.0)
        return made

    def _let_go(self, body: Body, made: pymunk.Body, late: float) -> None:
        """Let a body go, and bring it to where it is `late` seconds after."""
        if made.body_type != pymunk.Body.DYNAMIC:
            # chipmunk forgets both while a body is kinematic
            made.body_type = pymunk.Body.DYNAMIC
            made.mass, made.moment = _inertia(body)
        (x, y), (vx, vy), g = body.position, body.velocity, self.scene.gravity
        made.position = (x + late * vx, y + late * (vy - 0.5 * late * g))
        made.angle = body.angle + late * body.spin
        # half a sub-step's gravity ahead, because chipmunk moves a body with the velocity that it had before
        made.velocity = (vx, vy - g * (late + 0.5 * self.dt))
        made.angular_velocity = body.spin

    def _add(self, shape: pymunk.Shape, name: str) -> None:
        # chipmunk multiplies the two shapes' values
        shape.elasticity, shape.friction = math.sqrt(self.scene.restitution), math.sqrt(self.scene.friction)
        self.names[shape] = name
        self.space.add(shape)

    def _touch(self, arbiter: pymunk.Arbiter, space: pymunk.Space, data: object) -> None:
        """Two shapes begin to touch: chipmunk tells before it changes their velocities."""
        shapes = arbiter.shapes
        touching = arbiter.contact_point_set
        point = touching.points[0]
        speeds = [shape.body.velocity_at_world_point(point.point_a) for shape in shapes]
        closing = (speeds[0] - speeds[1]).dot(touching.normal)
        names = sorted((self.names[shape] for shape in shapes), key=self._order)
        pair = (names[0], names[1])
        if pair not in self.met or closing > _TAP:
            self.met.add(pair)
            late = min(max(-point.distance, 0.0) / closing, self.dt) if closing > _TAP else 0.0
            self.contacts.append(Contact(round(self.now - late, 7), *pair, round(max(closing, 0.0), 7)))

    def _order(self, name: str) -> int:
        names = [body.name for body in self.scene.bodies]
        return names.index(name) if name in names else len(names)


def _inertia(body: Body) -> tuple[float, float]:
    """Mass and moment; a bob is not turned by blows, only by its rod."""
    mass = body.density * math.pi * body.radius**2
    corners = outline(body.shape, body.radius).tolist()
    if body.pivot is not None:
        return mass, math.inf
    return mass, pymunk.moment_for_poly(mass, corners) if corners else pymunk.moment_for_circle(mass, 0, body.radius)


def _by_time(contact: Contact) -> tuple[float, str, str]:
    return contact.time, contact.first, contact.second


def _rod_angle(body: Body, position: tuple[float, float]) -> float:
    """A bob turns with its rod, not by itself."""
    assert body.pivot is not None
    px, py = body.pivot
    (x, y), (u, w) = body.position[:2], position
    turned = math.atan2((x - px) * (w - py) - (y - py) * (u - px), (x - px) * (u - px) + (y - py) * (w - py))
    return body.angle + turned


def _tracks(scene: Scene, values: Float[np.ndarray, "bodies n 3"]) -> dict[str, Track]:
    """Knots from the states after every sub-step; the velocities are the positions' own differences."""
    times = np.linspace(0.0, scene.seconds, values.shape[1])
    step = times[1]
    values = values.copy()
    values[..., 2] = np.unwrap(values[..., 2], axis=1)
    rates = np.diff(values, axis=1) / step
    release = np.array([[body.release] for body in scene.bodies])
    free = times[:-1] >= release - 1e-12
    half_pull = 0.5 * step * free[..., None] * np.array([0.0, -scene.gravity, 0.0])
    starts = np.array([_start(body) for body in scene.bodies])[:, None]
    before = np.concatenate((starts, rates + half_pull), axis=1)
    after = np.concatenate((rates - half_pull, before[:, -1:]), axis=1)
    wide = np.array([reach(body.shape, body.radius) for body in scene.bodies])
    # a turn counts by what it moves at the rim; a ball's rim looks the same everywhere, so it counts less
    wide *= [1.0 if len(OUTLINES[body.shape]) else _ROUND for body in scene.bodies]
    unit = np.stack((np.ones_like(wide), np.ones_like(wide), 1 / wide), axis=1)
    jump = (np.abs(after - before) / unit[:, None]).max(axis=2)
    jump[:, (0, -1)] = 0.0
    jump[:, 1:-1][(free[:, 1:] & ~free[:, :-1])] = math.inf  # let go
    blow = jump > _JUMP
    middle = 0.5 * (before + after)
    before, after = (np.where(blow[..., None], side, middle) for side in (before, after))
    keep = needed_knots(times, values, before, after, np.where(blow, jump, 0.0), _TOLERANCE * unit)
    tracks = {}
    for index, body in enumerate(scene.bodies):
        knots: list[tuple[float, ...]] = []
        for node in np.flatnonzero(keep[index]):
            x, y, angle = values[index, node].tolist()
            for side in (before, after) if blow[index, node] else (after,):
                vx, vy, spin = side[index, node].tolist()
                numbers = (x, y, vx, vy, angle, spin)
                knots.append((round(float(times[node]), 7), *(round(number, _DECIMALS) for number in numbers)))
        tracks[body.name] = Track(tuple(knots))
    return tracks


def _start(body: Body) -> tuple[float, float, float]:
    return (0.0, 0.0, 0.0) if body.release > 0 else (body.velocity[0], body.velocity[1], body.spin)

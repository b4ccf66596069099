"""The exact engine: between events a body moves on a parabola, and the time of every event is a polynomial's root.

What it knows: free flight, blows (restitution along the normal; no friction in a blow, and no spin comes of it),
rest, sliding and rolling on straight edges with Coulomb's friction, pendulums. A body whose next hop would be lower
than `HOP` stays on its edge from then on, for else bounces would never end. Blows at one moment are taken one after
the other. What turns a polygon, rests on a body or tips over an edge is refused: that is pymunk's business.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from framefall.worlds.engines.moving_body import Ground, MovingBody, dot, face, moving_body
from framefall.worlds.engines.pendulum import swing
from framefall.worlds.engines.time_of_impact import STILL, TOUCH, Obstacle, minkowski_difference, time_of_impact
from framefall.worlds.scene import Point, Scene
from framefall.worlds.shapes import OUTLINES, reach
from framefall.worlds.state import Contact, StateLog, Track

HOP = 1e-4  # heights, a fortieth of a pixel at 256
_EVENTS = 20_000  # more than this is no scene but an accident
_CENTRE: tuple[Point, ...] = ((0.0, 0.0),)
_Event = tuple[float, Callable[..., None], tuple[int, ...]]  # when, what, to which bodies


def simulate(scene: Scene) -> StateLog:
    """What happens in a flat scene, exactly; a ValueError where another engine is needed."""
    if any(len(body.position) != 2 or body.shape not in OUTLINES for body in scene.bodies):
        raise ValueError(f'the analytic engine needs a flat scene, and {scene.key} has depth; use engine="mujoco"')
    tracks = {body.name: swing(body, scene.gravity, scene.seconds) for body in scene.bodies if body.pivot is not None}
    world = _World(scene)
    if tracks:
        _check_swings(scene, tracks, world)
    tracks |= world.run()
    return StateLog(scene=scene, tracks=tracks, contacts=tuple(world.contacts))


class _World:
    """The bodies of a scene that move freely, and what they will do next."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.fixtures = [fixture for fixture in scene.fixtures if fixture.solid and fixture.follows is None]
        self.bodies = [
            moving_body(body, i) for i, body in enumerate(body for body in scene.bodies if body.pivot is None)
        ]
        self.contacts: list[Contact] = []
        self.pairs: dict[tuple[int, int], Obstacle] = {}
        self.meetings: dict[tuple[int, int], tuple[float, Point | None]] = {}
        for one in self.bodies:
            for fixture in self.fixtures:
                what = minkowski_difference(fixture.points, one.corners, one.margin + fixture.thickness)
                one.obstacles.append(what)
                _check_apart(what.gap(one.position), one, fixture.name)
            for other in self.bodies[: one.index]:
                what = minkowski_difference(other.corners or _CENTRE, one.corners, one.margin + other.margin)
                self.pairs[one.index, other.index] = what
                _check_apart(what.gap(_minus(one.position, other.position)), one, other.body.name)

    def run(self) -> dict[str, Track]:
        """Event after event until the scene's end."""
        now, end = 0.0, self.scene.seconds
        self._go_on(self.bodies, now)
        for _ in range(_EVENTS):
            time, happen, places = self._next()
            if time >= end:
                break
            now = max(time, now)
            touched = [self.bodies[place] for place in places]
            for one in touched:
                one.advance(now)
            happen(*touched)
            self._go_on(touched, now)
        else:
            raise ValueError(
                f"the analytic engine makes {_EVENTS:,} events at most, and {self.scene.key} has more; "
                'use engine="pymunk"'
            )
        for one in self.bodies:
            one.advance(end)
        return {one.body.name: Track(tuple(one.knots)) for one in self.bodies}

    def _next(self) -> _Event:
        best: _Event = (math.inf, self._change, ())
        for one in self.bodies:
            if one.change < best[0]:
                best = (one.change, self._change, (one.index,))
            if one.strike[0] < best[0]:
                best = (one.strike[0], self._strike, (one.index,))
        for pair, (time, _) in self.meetings.items():
            if time < best[0]:
                best = (time, self._collide, pair)
        return best

    def _go_on(self, touched: Iterable[MovingBody], now: float) -> None:
        """New accelerations for what an event has touched, and what these bodies will meet."""
        rest = self.scene.seconds - now
        places = set()
        for one in touched:
            if not one.held:
                one.update_acceleration(self.scene.gravity, self.scene.friction)
            one.add_knot()
            places.add(one.index)
            one.strike, soon = (math.inf, -1, None), rest
            for index, what in enumerate(() if one.held else one.obstacles):
                if one.ground is None or one.ground.fixture != index:
                    found = time_of_impact(what, one.position, one.velocity, one.acceleration, soon)
                    if found is not None:
                        one.strike, soon = (now + found[0], index, found[1]), found[0]
        for pair, what in self.pairs.items():
            if pair[0] in places or pair[1] in places:
                (p, v), (q, w) = (self.bodies[place].at(now) for place in pair)
                pull = _minus(self.bodies[pair[0]].acceleration, self.bodies[pair[1]].acceleration)
                found = time_of_impact(what, _minus(p, q), _minus(v, w), pull, rest)
                self.meetings[pair] = (math.inf, None) if found is None else (now + found[0], found[1])

    def _change(self, one: MovingBody) -> None:
        """A body is let go, stops slipping, or comes to the end of its edge."""
        if one.held:
            one.held, one.change = False, math.inf
            one.velocity, one.spin = (one.body.velocity[0], one.body.velocity[1]), one.body.spin
        elif one.leaves and one.ground is not None:
            speed, press = dot(one.ground.tangent, one.velocity), self.scene.gravity * one.ground.normal[1]
            if one.corners or speed**2 < press * one.ground.margin:
                raise ValueError(_refusal(f"{one.body.name} tips over the end of {one.ground.name}"))
            one.ground = None
        else:
            one.stop_slipping()

    def _strike(self, one: MovingBody) -> None:
        """A blow on a fixture, or the beginning of resting on it."""
        _, index, normal = one.strike
        fixture = self.fixtures[index]
        if normal is None or one.turning:
            raise ValueError(_refusal(f"{one.body.name} hits {fixture.name} with a corner"))
        tangent = (normal[1], -normal[0])
        ends = face(fixture.points, normal)
        _check_centred(one, (-normal[0], -normal[1]), fixture.name)
        if one.corners and not ends[0] - TOUCH <= dot(tangent, one.position) <= ends[1] + TOUCH:
            raise ValueError(_refusal(f"{one.body.name} hits the end of {fixture.name} off its centre"))
        closing, press = -dot(normal, one.velocity), -dot(normal, one.acceleration)
        self._log(one, fixture.name, closing)
        if press <= STILL or (self.scene.restitution * closing) ** 2 > 2 * press * HOP:
            one.push(normal, (1 + self.scene.restitution) * closing)
            self._keep_ground(one)
            return
        if ends[0] == ends[1]:
            raise ValueError(_refusal(f"{one.body.name} comes to rest on a corner of {fixture.name}"))
        if one.ground is not None:
            one.ground = replace(one.ground, wedged=True)
            return
        one.push(normal, closing)
        gap = one.obstacles[index].gap(one.position)
        one.position = (one.position[0] - gap * normal[0], one.position[1] - gap * normal[1])
        one.ground = Ground(index, fixture.name, normal, ends, one.margin + fixture.thickness)

    def _collide(self, one: MovingBody, other: MovingBody) -> None:
        """A blow between two bodies: momentum is kept, and they part with e times the speed they came with."""
        between = _minus(one.position, other.position)
        size = math.hypot(*between)
        normal = self.meetings[one.index, other.index][1] or (between[0] / size, between[1] / size)
        if one.corners or other.corners:
            off = abs(dot((normal[1], -normal[0]), between))
            _check_centred(one, (-normal[0], -normal[1]), other.body.name, off)
            _check_centred(other, normal, one.body.name, off)
        closing = dot(normal, other.velocity) - dot(normal, one.velocity)
        press = dot(normal, other.acceleration) - dot(normal, one.acceleration)
        if press > STILL and (self.scene.restitution * closing) ** 2 <= 2 * press * HOP:
            raise ValueError(_refusal(f"{one.body.name} comes to rest on {other.body.name}"))
        self._log(one, other.body.name, closing)
        impulse = (1 + self.scene.restitution) * closing / (one.inverse_mass + other.inverse_mass)
        one.push(normal, impulse * one.inverse_mass)
        other.push(normal, -impulse * other.inverse_mass)
        self._keep_ground(one)
        self._keep_ground(other)

    def _keep_ground(self, one: MovingBody) -> None:
        """After a blow a body stays on its edge only if it moves along it."""
        if one.ground is not None and abs(dot(one.ground.normal, one.velocity)) > STILL:
            one.ground = None
        elif one.ground is not None:
            one.ground = replace(one.ground, wedged=False)

    def _log(self, one: MovingBody, other: str, speed: float) -> None:
        self.contacts.append(Contact(round(one.time, 7), one.body.name, other, round(max(0.0, speed), 7)))


def _check_apart(gap: float, one: MovingBody, other: str) -> None:
    if gap < -TOUCH:
        raise ValueError(f"bodies must not overlap anything at the start, got {one.body.name} {-gap:.4f} in {other}")


def _check_centred(one: MovingBody, normal: Point, other: str, off: float = 0.0) -> None:
    """A blow must go through the centre of a body with corners, or it would turn."""
    low, high = face(one.corners, normal)
    if off > TOUCH or one.turning or (one.corners and not low - TOUCH <= 0 <= high + TOUCH):
        raise ValueError(_refusal(f"{one.body.name} and {other} meet off a centre"))


def _check_swings(scene: Scene, tracks: dict[str, Track], world: _World) -> None:
    """Pendulums must have their room to themselves."""
    rooms = [(body, tracks[body.name]) for body in scene.bodies if body.name in tracks]
    ways = [track.at(np.linspace(0.0, scene.seconds, 128)).position for _, track in rooms]
    for (body, _), way in zip(rooms, ways, strict=True):
        wide = reach(body.shape, body.radius)
        if world.bodies:
            raise ValueError(_refusal(f"{body.name} swings beside {world.bodies[0].body.name}"))
        for fixture in world.fixtures:
            what = minkowski_difference(fixture.points, (), fixture.thickness + wide)
            if min(what.gap((float(x), float(y))) for x, y in way) < 0:
                raise ValueError(_refusal(f"{body.name} swings into {fixture.name}"))
    for index, way in enumerate(ways):
        for other in range(index):
            nearest = np.linalg.norm(way[:, None] - ways[other][None], axis=2).min()
            if nearest < sum(reach(rooms[i][0].shape, rooms[i][0].radius) for i in (index, other)):
                raise ValueError(_refusal(f"{rooms[index][0].name} swings into {rooms[other][0].name}"))


def _refusal(what: str) -> str:
    return f'{what}, which the analytic engine cannot do; use engine="pymunk"'


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]

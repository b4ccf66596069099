"""Bodies that come out otherwise from behind what hides them: elsewhere, late, back, or another one before them."""

from dataclasses import replace

import numpy as np

from framefall.noise import Key
from framefall.worlds.shapes import reach
from framefall.worlds.state import StateLog, Track
from framefall.worlds.violations.continuation import bodies_at, middle, resumed, shifted, splice
from framefall.worlds.violations.events import Moment, body_of, clearance, hidden, is_hidden, spans
from framefall.worlds.violations.objects import DIAMETERS, other_colour, with_another

PAUSE = 0.5  # seconds for which a body stays hidden too long


def behind(log: StateLog) -> list[Moment]:
    """While a body that is seen before and after is hidden."""
    return [m for b in log.scene.bodies for m in middle(log, hidden(log, b.name), b.name, 0.3, 0.7)]


def behind_unmet(log: StateLog) -> list[Moment]:
    """The same, where it meets nothing there: a body that bounces back unseen turns back by right."""
    met = [(contact.time, {contact.first, contact.second}) for contact in log.contacts if contact.speed > 0]
    answer = []
    for body in log.scene.bodies:
        runs = [(a, b) for a, b in hidden(log, body.name) if not any(a <= t <= b and body.name in of for t, of in met)]
        answer += middle(log, runs, body.name, 0.3, 0.7)
    return answer


def before_entering(log: StateLog) -> list[Moment]:
    """While a body that is going to be hidden is still seen, and another one fits behind what will hide it.

    The other's place is the last at which this body will be hidden; `other` is that time.
    """
    answer = []
    for body in log.scene.bodies:
        for start, end in hidden(log, body.name)[:1]:
            first, last = max(0.1 * log.scene.seconds, start - 0.6), start - 0.05
            times = np.arange(first, max(first, last), 1 / 60)
            place = log.tracks[body.name].before(end)[1:3]
            free = np.ones(len(times), bool)
            for other in log.scene.bodies:
                apart = np.linalg.norm(log.tracks[other.name].at(times).position - place, axis=1)
                free &= apart > 1.02 * (reach(other.shape, other.radius) + reach(body.shape, body.radius))
            answer += [Moment(body.name, *run, str(end)) for run in spans(times, free)]
    return answer


def unentered(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body of another colour comes out from behind the occluder that nothing has gone behind yet."""
    body, inside = body_of(log, moment.body), float(moment.other)
    knot = log.tracks[moment.body].before(inside)
    colour = other_colour(log, body, key)
    hidden_one = replace(
        body,
        name=f"{body.name}-copy",
        colour=colour,
        position=knot[1:3],
        velocity=knot[3:5],
        angle=knot[5],
        spin=knot[6],
        release=0.0,
    )
    return with_another(log, time, hidden_one)


def other_height(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A hidden body goes on higher or lower, where there is more room behind what hides it."""
    bodies = bodies_at(log, time)
    body = bodies[moment.body]
    x, y = body.position
    jump = DIAMETERS * strength * 2 * body.radius
    up, down = (min(_room(log, body.name, time, side), jump) for side in (1.0, -1.0))
    bodies[body.name] = replace(body, position=(x, y + up if up >= down else y - down))
    return splice(log, time, *resumed(log, time, bodies))


def exit_late(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A hidden body stops for a while and then goes on as if nothing had been."""
    name, track = moment.body, log.tracks[moment.body]
    wait = PAUSE * strength
    _, x, y, _, _, angle, _ = track.before(time)
    held = ((time, x, y, 0.0, 0.0, angle, 0.0), (time + wait, x, y, 0.0, 0.0, angle, 0.0))
    later = Track((*held, *shifted(track.since(time), wait).knots))
    touched = [c for c in log.contacts if c.time >= time]
    moved = [replace(c, time=c.time + wait) if name in (c.first, c.second) else c for c in touched]
    return splice(log, time, {name: later}, [c for c in moved if c.time <= log.scene.seconds])


def reverse_behind(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A hidden body turns back without having met anything."""
    bodies = bodies_at(log, time)
    body = bodies[moment.body]
    vx, vy = body.velocity
    bodies[body.name] = replace(body, velocity=(-vx, -vy), spin=-body.spin)
    return splice(log, time, *resumed(log, time, bodies))


def _room(log: StateLog, name: str, time: float, side: float) -> float:
    """How far up (+1) or down (-1) a hidden body can go and stay hidden."""
    low, high = 0.0, 1.0
    for _ in range(20):
        step = (low + high) / 2
        knot = list(log.tracks[name].before(time))
        knot[2] += side * step
        moved = replace(log, tracks={**log.tracks, name: Track((tuple(knot),))})
        # it must not sink into the ground either
        fits = clearance(_without_fronts(log), time, name, np.array(knot[1:3])) > -1e-6
        low, high = (step, high) if fits and is_hidden(moved, name, np.array([time]))[0] else (low, step)
    return low


def _without_fronts(log: StateLog) -> StateLog:
    fixtures = tuple(f for f in log.scene.fixtures if not f.front and f.follows is None)
    return replace(log, scene=replace(log.scene, fixtures=fixtures))

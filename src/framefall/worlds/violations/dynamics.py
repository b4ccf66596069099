"""Laws of motion that fail from a moment on: gravity, restitution, momentum, energy, solidity, support.

Each edit keeps the log up to the moment and lets an engine go on from there under other laws.
"""

from dataclasses import replace

import numpy as np

from framefall.worlds.state import Appearance, StateLog, Track
from framefall.worlds.violations.continuation import Knot, bodies_at, middle, resumed, splice
from framefall.worlds.violations.events import (
    Blow,
    Moment,
    blows,
    body_of,
    flights,
    grid,
    is_seen,
    moving,
    slides,
    spans,
)


def falling(log: StateLog) -> list[Moment]:
    """While something flies; where nothing flies, while something moves that gravity acts on."""
    if log.scene.gravity <= 0:
        return []
    names = [body.name for body in log.scene.bodies]
    flying = [moment for name in names for moment in middle(log, flights(log, name), name, 0.2, 0.5)]
    return flying or [moment for name in names for moment in middle(log, moving(log, name), name, 0.2, 0.6)]


def heavy(log: StateLog) -> list[Moment]:
    """The same, and where nothing moves, the middle of the clip: what lies can rise."""
    middle_part = 0.35 * log.scene.seconds, 0.5 * log.scene.seconds
    return falling(log) or [Moment(b.name, *middle_part) for b in log.scene.bodies if log.scene.gravity > 0]


def gravity(log: StateLog, moment: Moment, time: float, factor: float) -> StateLog:
    """Gravity is `factor` times as strong, for everything."""
    return splice(log, time, *resumed(log, time, bodies_at(log, time), gravity=factor * log.scene.gravity))


def flying(log: StateLog) -> list[Moment]:
    """The early part of every free flight that ends at scenery; in a heap everything meets everything."""
    if not _is_clean(log):
        return []
    found = [(body.name, flights(log, body.name)) for body in log.scene.bodies]
    return [moment for name, runs in found for moment in middle(log, runs, name, 0.15, 0.35)]


def linear_fall(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """The rest of the flight is a straight line at constant speed to where it would have ended."""
    track = log.tracks[moment.body]
    end = next(b for a, b in flights(log, moment.body) if a <= time <= b)
    left, right = np.asarray(track.before(time)), np.asarray(track.before(end))
    even = (right[1:3] - left[1:3]) / (end - time)
    for knot in (left, right):  # a mixture of two curves with the same ends is one more such curve
        knot[3:5] += strength * (even - knot[3:5])
    rest = (tuple(left.tolist()), tuple(right.tolist()), *track.since(end).knots)
    return splice(log, time, {moment.body: Track(rest)}, [c for c in log.contacts if c.time >= time])


def float_in_air(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """A body hangs in the air for a share of the rest and falls on after that; one that stood on another slides off."""
    _, x, y, _, _, angle, _ = log.tracks[moment.body].before(time)
    until = time + strength * (log.scene.seconds - time)
    hang: tuple[Knot, ...]
    if moment.other:  # off its support, to the side where there is more room
        body, below = body_of(log, moment.body), body_of(log, moment.other)
        side = 1.0 if x - log.scene.camera.start[0] < log.scene.width / 2 else -1.0
        reach = side * 1.45 * (body.radius + below.radius)
        stop = min(time + 0.6, until)
        place = x + reach * (stop - time) / 0.6
        slid = ((time, x, y, reach / 0.6, 0.0, angle, 0.0), (stop, place, y, reach / 0.6, 0.0, angle, 0.0))
        hang = (*slid, (stop, place, y, 0.0, 0.0, angle, 0.0))
    else:
        hang = ((time, x, y, 0.0, 0.0, angle, 0.0),)
    stopped = (until, *hang[-1][1:])
    rest: dict[str, Track] = {moment.body: Track((*hang, stopped))}
    contacts = [c for c in log.contacts if c.time >= time and moment.body not in (c.first, c.second)]
    hung = splice(log, time, rest, contacts)
    if log.scene.seconds - until < 0.05:
        return hung
    tracks, contacts_after = resumed(hung, until, bodies_at(hung, until))
    return splice(hung, until, tracks, contacts_after)


def floating(log: StateLog) -> list[Moment]:
    """While a body flies; else while one stands on another with nothing on top."""
    if log.scene.gravity <= 0:
        return []
    free = flying(log)
    low, high = 0.3 * log.scene.seconds, 0.5 * log.scene.seconds
    touching = {frozenset((c.first, c.second)) for c in log.contacts if {c.first, c.second} <= set(log.tracks)}
    for pair in sorted(map(sorted, touching)) if not free else ():
        below, above = sorted(pair, key=lambda name: log.tracks[name].before(low)[2])
        heights = [log.tracks[name].before(low)[2] for name in log.tracks]
        stands = all(_stands(log, above, below, at) for at in (low, high))
        if stands and log.tracks[above].before(low)[2] == max(heights) and body_of(log, above).shape != "ball":
            free.append(Moment(above, low, high, below))
    return free


def _stands(log: StateLog, above: str, below: str, at: float) -> bool:
    """Whether one body is on top of another, and has not toppled beside it."""
    height = log.tracks[above].before(at)[2] - log.tracks[below].before(at)[2]
    return bool(height > 0.7 * (body_of(log, above).radius + body_of(log, below).radius))


def struck(log: StateLog) -> list[Moment]:
    """Every visible blow that is not at the very beginning or end."""
    if not _is_clean(log):
        return []
    low, high = 0.1 * log.scene.seconds, 0.85 * log.scene.seconds
    found = [blow for blow in blows(log) if low <= blow.time <= high and _in_view(log, blow)]
    # nobody sees what goes wrong with the last tiny hops
    fastest = max((blow.contact.speed for blow in found), default=0.0)
    found = [blow for blow in found if blow.contact.speed >= 0.4 * fastest]
    return [Moment(blow.contact.first, blow.time, blow.time, blow.contact.second) for blow in found]


def collided(log: StateLog) -> list[Moment]:
    """Every visible blow between two bodies."""
    return [moment for moment in struck(log) if {moment.body, moment.other} <= set(log.tracks)]


def lossy(log: StateLog) -> list[Moment]:
    """Every visible blow that loses energy enough for its reversal to be wrong."""
    return struck(log) if 0.2 <= log.scene.restitution <= 0.92 else []


def weightless(log: StateLog) -> list[Moment]:
    """Every visible blow between two bodies where nothing lies on anything."""
    return collided(log) if log.scene.gravity == 0 else []


def bounce(log: StateLog, moment: Moment, time: float, restitution: float, later: float) -> StateLog:
    """The blow has one restitution, and the blows after it have another."""
    blow, scale = _blow(log, moment), (1 + restitution) / (1 + log.scene.restitution)
    states = {name: _struck(blow, name, scale) for name in blow.after}
    rest = resumed(log, time, bodies_at(log, time, states), restitution=later)
    return splice(log, time, *rest, keep=True)


def momentum_break(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """The lighter of two bodies that meet gets more than the other gave."""
    blow = _blow(log, moment)
    states = dict(blow.after)
    lighter = min(states, key=lambda name: body_of(log, name).density * body_of(log, name).radius ** 2)
    states[lighter] = _struck(blow, lighter, 1 + 0.75 * strength)
    return splice(log, time, *resumed(log, time, bodies_at(log, time, states)), keep=True)


def pass_through(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """The body goes on through what it met, as if that were not there; the others do not notice it any more."""
    bodies = bodies_at(log, time)
    if moment.other not in bodies:
        tracks, contacts = resumed(log, time, bodies, without=moment.other)
        return splice(log, time, tracks, contacts)
    ghost = {moment.body: bodies.pop(moment.body)}
    alone, together = resumed(log, time, ghost), resumed(log, time, bodies)
    return splice(log, time, alone[0] | together[0], alone[1] + together[1])


def merge(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """Two bodies that meet become one, with the momentum and the area of both."""
    bodies = bodies_at(log, time)
    pair = bodies[moment.body], bodies[moment.other]
    lost, kept = sorted(pair, key=lambda body: body.density * body.radius**2)
    del bodies[lost.name]
    masses = np.array([body.density * body.radius**2 for body in (kept, lost)]) / (kept.density * kept.radius**2)
    share = masses / masses.sum()
    both = np.array([[*body.position, *body.velocity] for body in (kept, lost)])
    x, y, vx, vy = (share @ both).tolist()
    size = float(np.hypot(kept.radius, strength * lost.radius))
    bodies[kept.name] = replace(kept, position=(x, y), velocity=(vx, vy), radius=size)
    tracks, contacts = resumed(log, time, bodies)
    looks = {name: tuple(look for look in of if look.time < time) for name, of in (log.looks or {}).items()}
    for body, radius, shown in ((kept, size, True), (lost, lost.radius, False)):
        looks[body.name] = (*looks.get(body.name, ()), Appearance(time, body.colour, body.shape, radius, shown))
    return replace(splice(log, time, tracks, contacts), looks=looks)


def swinging(log: StateLog) -> list[Moment]:
    """When a pendulum is fastest."""
    times, answer = grid(log), []
    for body in log.scene.bodies:
        if body.pivot is not None:
            speed = np.linalg.norm(log.tracks[body.name].at(times).velocity, axis=1)
            tops = np.flatnonzero((speed[1:-1] >= speed[:-2]) & (speed[1:-1] > speed[2:])) + 1
            fit = [float(times[top]) for top in tops if 0.1 <= times[top] / log.scene.seconds <= 0.7]
            answer += [Moment(body.name, time, time) for time in fit]
    return answer


def energy_injection(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """A pendulum is suddenly faster, without a push: its energy grows by up to 1.5 times at the lowest point."""
    bodies = bodies_at(log, time)
    body, factor = bodies[moment.body], 1 + 0.6 * strength
    vx, vy = body.velocity
    bodies[body.name] = replace(body, velocity=(vx * factor, vy * factor), spin=body.spin * factor)
    return splice(log, time, *resumed(log, time, bodies))


def sliding(log: StateLog) -> list[Moment]:
    """The early part of a slide or a roll down a slope."""
    if not _is_clean(log):
        return []
    return [
        moment
        for body in log.scene.bodies
        for moment in middle(log, slides(log, body.name), body.name, 0.2, 0.45)
        if is_seen(log, body.name, np.array([moment.start, moment.end])).all()
    ]


def wrong_slide(log: StateLog, moment: Moment, time: float, strength: float) -> StateLog:
    """What slides or rolls down a slope gains speed two and a half times as fast as it must; the turn goes with it."""
    name, track = moment.body, log.tracks[moment.body]
    end = next(b for a, b in slides(log, name) if a <= time <= b)
    left, right = np.asarray(track.before(time)), np.asarray(track.before(end))
    along = right[1:3] - left[1:3]
    length = float(np.linalg.norm(along))
    speed, last = float(np.linalg.norm(left[3:5])), float(np.linalg.norm(right[3:5]))
    gain = (1 + 1.5 * strength) * (last - speed) / (end - time)
    faster = float(np.sqrt(speed**2 + 2 * gain * length))
    arrival = time + (faster - speed) / gain
    right[0], right[3:5] = arrival, faster * along / length
    right[6] *= faster / last
    first, knot = tuple(left.tolist()), tuple(right.tolist())
    slid = splice(log, time, {name: Track((first, knot))}, [c for c in log.contacts if time <= c.time < arrival])
    if log.scene.seconds - arrival < 0.02:
        return slid
    return splice(slid, arrival, *resumed(slid, arrival, bodies_at(slid, arrival)))


def _blow(log: StateLog, moment: Moment) -> Blow:
    pair = {moment.body, moment.other}
    return next(b for b in blows(log) if b.time == moment.start and {b.contact.first, b.contact.second} == pair)


def _struck(blow: Blow, name: str, scale: float) -> Knot:
    """The state after a blow whose change of velocity is `scale` times what it was."""
    knot = list(blow.after[name])
    for axis in (3, 4):
        knot[axis] = blow.before[name][axis] + scale * (knot[axis] - blow.before[name][axis])
    return tuple(knot)


def _in_view(log: StateLog, blow: Blow) -> bool:
    """Whether what was struck is seen for a while after the blow."""
    times = blow.time + np.arange(1, 20) / 60
    return any(bool(spans(times, is_seen(log, name, times), 0.2)) for name in blow.after)


def _is_clean(log: StateLog) -> bool:
    """Whether blows and flights are one at a time and exact, not those of a heap."""
    return log.scene.engine == "analytic"

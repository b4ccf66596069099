"""Bodies that do in plain view what bodies cannot: jump, vanish, double, change their colour, shape or size."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from framefall.noise import Key
from framefall.worlds.scene import BODY_COLOURS, Body, rgb
from framefall.worlds.shapes import OUTLINES, reach
from framefall.worlds.state import Appearance, StateLog, Track
from framefall.worlds.violations.continuation import bodies_at, resumed, splice
from framefall.worlds.violations.events import Moment, blows, body_of, clearance, grid, is_seen, spans

BLINK = 0.5  # seconds: three frames of a base stage's six a second; at strength 1/4, three of 24
STEPS = 12  # changes a second in a drift
DIAMETERS = 1.5  # of a jump


def plain(log: StateLog) -> list[Moment]:
    """In the middle of the clip, while a body is seen for a while and struck by nothing."""
    times, end = grid(log), log.scene.seconds
    struck = np.array([blow.time for blow in blows(log)])
    calm = np.ones(len(times), bool)
    if len(struck):
        calm = np.abs(times[:, None] - struck).min(axis=1) > 0.04
    answer = []
    for low, high in ((0.3, 0.6), (0.12, 0.8)):
        for body in log.scene.bodies:
            later = np.stack([is_seen(log, body.name, times + wait) for wait in (-0.15, 0.0, 0.2, 0.4)]).all(axis=0)
            fit = later & calm & (times >= low * end) & (times <= high * end) & (times + 0.4 < end)
            answer += [Moment(body.name, *run) for run in spans(times, fit)]
        if answer:
            break
    return answer


def with_appearance(log: StateLog, name: str, time: float, **changes: object) -> StateLog:
    """The log in which a body looks otherwise from `time` on."""
    last = log.appearances_at(name, np.array([time]))[0]
    return _with_appearances(log, {name: (replace(last, time=time, **changes),)})  # type: ignore[arg-type]


def blink(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body is not there for a moment."""
    gone = with_appearance(log, moment.body, time, shown=False)
    return with_appearance(gone, moment.body, time + BLINK * strength, shown=True)


def colour_drift(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body's colour goes over to another one until the clip ends."""
    body = body_of(log, moment.body)
    old, new = np.array(rgb(body.colour)), np.array(rgb(other_colour(log, body, key)))
    shares = _drift(log, time)
    mixed = [(at, (old + strength * share * (new - old)).tolist()) for at, share in shares]
    names = [(at, "#" + "".join(f"{round(255 * value):02x}" for value in colour)) for at, colour in mixed]
    return _with_appearances(
        log, {body.name: tuple(Appearance(at, name, body.shape, body.radius) for at, name in names)}
    )


def size_drift(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body grows by up to 60 % or shrinks by as much until the clip ends."""
    body = body_of(log, moment.body)
    factor = (1 + 0.6 * strength) ** (1 if key.uniform() < 0.5 else -1)
    looks = tuple(
        Appearance(at, body.colour, body.shape, body.radius * factor**share) for at, share in _drift(log, time)
    )
    return _with_appearances(log, {body.name: looks})


def shape_switch(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body has another shape of the same area."""
    others = [shape for shape in OUTLINES if shape != body_of(log, moment.body).shape]
    return with_appearance(log, moment.body, time, shape=others[key.integer(len(others))])


def colour_switch(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body has another colour: at strength 1 that of another name, below it a mixture."""
    body = body_of(log, moment.body)
    new, old = np.array(rgb(other_colour(log, body, key))), np.array(rgb(body.colour))
    mixed = (old + strength * (new - old)).tolist()
    return with_appearance(log, body.name, time, colour="#" + "".join(f"{round(255 * value):02x}" for value in mixed))


def other_colour(log: StateLog, body: Body, key: Key) -> str:
    """A colour that no body of the scene has, and that is far from this body's."""
    taken = {other.colour for other in log.scene.bodies}
    free = [colour for colour in BODY_COLOURS if colour not in taken] or [c for c in BODY_COLOURS if c != body.colour]
    far = sorted(free, key=lambda colour: -math.dist(rgb(colour), rgb(body.colour)))[: max(1, len(free) // 2)]
    return far[key.named("colour").integer(len(far))]


def teleport(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A body is somewhere else at once, with its velocity, and goes on from there; a pendulum, on its arc."""
    bodies = bodies_at(log, time)
    body = bodies[moment.body]
    place = _aside(log, moment.body, time, DIAMETERS * strength * 2 * body.radius, key)
    turn = _turned(body, place)
    cosine, sine = math.cos(turn), math.sin(turn)
    vx, vy = body.velocity
    velocity = (cosine * vx - sine * vy, sine * vx + cosine * vy)
    bodies[body.name] = replace(body, position=place, velocity=velocity, angle=body.angle + turn)
    return splice(log, time, *resumed(log, time, bodies))


def duplicate(log: StateLog, moment: Moment, time: float, strength: float, key: Key) -> StateLog:
    """A second body like the first is there at once, beside it."""
    body = bodies_at(log, time)[moment.body]
    apart = 2.2 * reach(body.shape, body.radius)
    place = _aside(log, moment.body, time, apart, key, level=True)
    copy = replace(body, name=f"{body.name}-copy", position=place)
    if body.pivot is None:
        return with_another(log, time, copy)
    dx, dy = (b - a for a, b in zip(body.position, place, strict=True))  # a second bob swings beside the first
    track = log.tracks[body.name].since(time)
    knots = tuple((k[0], k[1] + dx, k[2] + dy, *k[3:]) for k in track.knots)
    return with_another(log, time, replace(copy, pivot=None), Track(knots))


def with_another(log: StateLog, time: float, extra: Body, track: Track | None = None) -> StateLog:
    """The log with a body more, which shows itself at `time`; the rest is simulated with it if it has no track yet."""
    contacts = tuple(c for c in log.contacts if c.time >= time)
    tracks: dict[str, Track] = {}
    if track is None:
        tracks, contacts = resumed(log, time, {**bodies_at(log, time), extra.name: extra})
        track = tracks.pop(extra.name)
    old = splice(log, time, tracks, contacts)
    scene = replace(log.scene, bodies=(*log.scene.bodies, extra))
    wider = replace(old, scene=scene, tracks={**old.tracks, extra.name: track})
    # looks hold from their moment on: it is gone from before the clip begins
    gone = Appearance(-1.0, extra.colour, extra.shape, extra.radius, False)
    return _with_appearances(wider, {extra.name: (gone, replace(gone, time=time, shown=True))})


def _with_appearances(log: StateLog, more: Mapping[str, tuple[Appearance, ...]]) -> StateLog:
    looks = dict(log.looks or {})
    for name, new in more.items():
        looks[name] = (*(old for old in looks.get(name, ()) if old.time < new[0].time), *new)
    return replace(log, looks=looks)


def _drift(log: StateLog, time: float) -> list[tuple[float, float]]:
    """The moments of a drift and how far it has gone, 0..1."""
    count = max(1, math.ceil((log.scene.seconds - time) * STEPS))
    return [(time + step / STEPS, (step + 1) / count) for step in range(count)]


def _aside(
    log: StateLog, name: str, time: float, distance: float, key: Key, level: bool = False
) -> tuple[float, float]:
    """A free place at that distance from where a body is: along the arc for a pendulum, else any way.

    With `level`, to the left or right if that is free.
    """
    body = bodies_at(log, time)[name]
    here = np.asarray(body.position)
    first = 2 * math.pi * key.named("aside").uniform()
    angles = [first + step * math.pi / 12 for step in range(24)]
    angles = [0.0, math.pi, *angles] if level else angles
    places = [here + distance * np.array([math.cos(a), math.sin(a)]) for a in angles]
    if body.pivot is not None:
        pivot, length = np.asarray(body.pivot), math.dist(body.position, body.pivot)
        half = 2 * math.asin(min(1.0, distance / (2 * length)))
        arm = here - pivot
        turned = [(math.cos(a), math.sin(a)) for a in (half, -half)]
        places = [pivot + np.array([c * arm[0] - s * arm[1], s * arm[0] + c * arm[1]]) for c, s in turned]
    room = [clearance(log, time, name, place) for place in places]
    free = [place for place, left in zip(places, room, strict=True) if left > -1e-6]
    best = free[0] if free else places[int(np.argmax(room))]
    return float(best[0]), float(best[1])


def _turned(body: Body, place: tuple[float, float]) -> float:
    """By how much a pendulum's rod turns when its bob is put somewhere else."""
    if body.pivot is None:
        return 0.0
    old, new = (math.atan2(y - body.pivot[1], x - body.pivot[0]) for x, y in (body.position, place))
    return math.remainder(new - old, 2 * math.pi)

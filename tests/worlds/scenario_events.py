"""What each scenario promises to show, looked for in a simulated log."""

import dataclasses
import math
from collections.abc import Callable
from itertools import product

import numpy as np

from framefall.worlds.captions.bins import BINS
from framefall.worlds.engines.registry import simulate
from framefall.worlds.scenarios.registry import draw_scene
from framefall.worlds.scene import Light
from framefall.worlds.shapes import extent, reach
from framefall.worlds.state import StateLog, Track, frame_times

RATE = 24.0


def _times(log: StateLog) -> np.ndarray:
    return frame_times(round(log.scene.seconds * RATE) + 1, RATE)


def _seen(log: StateLog, name: str) -> np.ndarray:
    """Where a body is at every frame, from the view's lower left corner."""
    camera = log.scene.camera
    return log.tracks[name].at(_times(log)).position - _times(log)[:, None] * np.array(camera.velocity)


def _in_view(place: np.ndarray) -> np.ndarray:
    return ((place > 0) & (place < 1)).all(axis=-1)


def _between(log: StateLog, name: str, inside: bool, at: float | None = None) -> np.ndarray:
    """At every frame, or at one moment: wholly behind the screen, or wholly beside it."""
    times = _times(log) if at is None else np.array([at])
    body = next(body for body in log.scene.bodies if body.name == name)
    cover = next(fixture for fixture in log.scene.fixtures if fixture.front)
    xs, ys = zip(*cover.points, strict=True)
    x, y = log.tracks[name].at(times).position.T
    left, right = x - extent(body.shape, body.radius, (-1.0, 0.0)), x + extent(body.shape, body.radius, (1.0, 0.0))
    size = reach(body.shape, body.radius)
    if inside:
        return (left >= min(xs)) & (right <= max(xs)) & (y - size >= min(ys)) & (y + size <= max(ys))
    return (right <= min(xs)) | (left >= max(xs))


def _sign(log: StateLog) -> float:
    return {"right": 1.0, "up": 1.0}.get(log.scene.attributes.direction, -1.0)


def _lands(log: StateLog, name: str) -> float | None:
    """When a body first meets the floor, in view."""
    for contact in log.contacts:
        if (contact.first, contact.second) == (name, "floor") and contact.speed > 0.05:
            x = log.tracks[name].at(np.array([contact.time])).position[0, 0]
            if 0 < x - contact.time * log.scene.camera.velocity[0] < log.scene.width:
                return contact.time
    return None


def _fall(log: StateLog) -> bool:
    return (_lands(log, "falling") or 99.0) < 2.0


def _double_drop(log: StateLog) -> bool:
    first, second = _lands(log, "lower"), _lands(log, "higher")
    return first is not None and second is not None and second - first > 0.1


def _projectile(log: StateLog) -> bool:
    place = _seen(log, "thrown")
    seen = _in_view(place)
    flight = next((c.time for c in log.contacts if c.speed > 0.05), log.scene.seconds)
    across = np.diff(log.tracks["thrown"].at(_times(log)).position[:, 0]) * _sign(log) > 0
    return bool(flight > 0.4 and seen[0] and seen.mean() > 0.4 and across.all())


def _uniform(log: StateLog) -> bool:
    way = np.diff(log.tracks["moving"].at(_times(log)).position, axis=0)
    axis = 0 if log.scene.attributes.direction in ("left", "right") else 1
    even = np.ptp(way, axis=0).max() < 1e-6
    seen = _in_view(_seen(log, "moving")).sum() / RATE
    return bool(even and (way[:, axis] * _sign(log) > 0).all() and seen > 0.6 and not log.contacts)


def _collision(log: StateLog) -> bool:
    if len(log.contacts) != 1:
        return False
    frame = round(log.contacts[0].time * RATE)
    ways = [np.diff(log.tracks[body.name].knots, axis=0) for body in log.scene.bodies]
    seen = all(_in_view(_seen(log, body.name)[frame]) for body in log.scene.bodies)
    if log.scene.attributes.occluder:
        # hidden at the blow; wholly seen before and after
        for body in log.scene.bodies:
            out = _between(log, body.name, inside=False) & _in_view(_seen(log, body.name))
            seen &= bool(
                _between(log, body.name, inside=True, at=log.contacts[0].time)[0]
                and out[:frame].any()
                and out[frame:].any()
            )
    return bool(seen and any(np.abs(way[:, 3:5]).max() > 0.03 for way in ways))


def _billiards(log: StateLog) -> bool:
    met = [c.time for c in log.contacts if {c.first, c.second} <= {body.name for body in log.scene.bodies}]
    return bool(met) and min(met) < (4.0 if log.scene.seconds > 3 else 1.6)


def _pendulum(log: StateLog) -> bool:
    bob = log.scene.bodies[0]
    away = log.tracks["bob"].at(_times(log)).position[:, 0] - bob.pivot[0]
    return bool(away[0] * _sign(log) < 0 and (away * _sign(log) > 0.05).any())


def _ramp(log: StateLog) -> bool:
    body = log.scene.bodies[0]
    state = log.tracks[body.name].at(_times(log))
    ways = {"rolls": np.abs(state.spin[-1, 0]) > 1, "slides": np.ptp(state.rotation) < 1e-6}
    ways["flies"] = bool((_lands(log, body.name) or 0) > 0.5)
    far = (state.position[-1, 0] - state.position[0, 0]) * _sign(log) > 0.25
    return bool(far and ways[log.scene.attributes.outcome])


def _occluder(log: StateLog) -> bool:
    for body in log.scene.bodies:
        hidden = np.flatnonzero(_between(log, body.name, inside=True))
        shown = np.flatnonzero(_between(log, body.name, inside=False) & _in_view(_seen(log, body.name)))
        if len(hidden) < 0.15 * RATE or not len(shown) or not shown[0] < hidden[0] < hidden[-1] < shown[-1]:
            return False
    return True


def _occluder_bounce(log: StateLog) -> bool:
    x = log.tracks["moving"].at(_times(log)).position[:, 0] * _sign(log)
    shown = np.flatnonzero(_between(log, "moving", inside=False) & _in_view(_seen(log, "moving")))
    if len(log.contacts) != 1 or not len(shown):
        return False
    frame = math.floor(log.contacts[0].time * RATE)
    # before and after on the side that it came from; hidden when it meets the wall
    there = bool(_between(log, "moving", inside=True, at=log.contacts[0].time)[0])
    return bool(shown[0] < frame < shown[-1] and there and max(x[shown[0]], x[shown[-1]]) < x[frame])


def _stack(log: StateLog) -> bool:
    end = np.array([log.scene.seconds])
    states = [log.tracks[body.name].at(end) for body in log.scene.bodies]
    moves = [state.position[0] - body.position for state, body in zip(states, log.scene.bodies, strict=True)]
    if log.scene.attributes.outcome == "stands":
        return max(float(np.linalg.norm(move)) for move in moves) < 0.005
    turned = max(abs(float(state.rotation[0, 0])) for state in states) > 0.6
    return turned and sum(float(move[0]) for move in moves) * _sign(log) > 0


def _pour(log: StateLog) -> bool:
    left, right = (f for f in log.scene.fixtures if f.name.startswith("jar"))
    end = [track.at(np.array([log.scene.seconds])).position[0] for track in log.tracks.values()]
    return all(left.points[1][0] < x < right.points[0][0] and y < left.points[2][1] for x, y in end)


def _light(log: StateLog) -> bool:
    still = np.ptp(log.tracks["still"].at(_times(log)).position, axis=0).max() == 0
    light = log.scene.light
    return bool(still and -light.turn * log.scene.seconds * _sign(log) > 60 and light.shadow > 0)


EVENTS: dict[str, Callable[[StateLog], bool]] = {
    "fall": _fall,
    "projectile": _projectile,
    "uniform": _uniform,
    "collision": _collision,
    "billiards": _billiards,
    "pendulum": _pendulum,
    "ramp": _ramp,
    "occluder": _occluder,
    "occluder_bounce": _occluder_bounce,
    "stack": _stack,
    "double_drop": _double_drop,
    "pour": _pour,
    "light": _light,
}


def assert_shown(name: str, split: str, count: int) -> None:
    """The first scenes of a scenario show what their captions say, in every version."""
    for version, index in product(BINS, range(count)):
        log = simulate(draw_scene(0, split, name, index, version))
        assert EVENTS[name](log), log.scene


def assert_missed_where_nothing_moves(name: str, count: int) -> None:
    """The control: no log in which every body stays where it was shows the event."""
    for index in range(count):
        log = simulate(draw_scene(0, "train", name, index))
        frozen = {body.name: Track(((0.0, *body.position, 0.0, 0.0, body.angle, 0.0),)) for body in log.scene.bodies}
        scene = dataclasses.replace(log.scene, light=Light())
        if log.scene.attributes.outcome != "stands":
            assert not EVENTS[name](dataclasses.replace(log, tracks=frozen, contacts=(), scene=scene))


def assert_late(name: str, count: int) -> None:
    """Something still happens in the second half of a long clip, in every version."""
    for version, index in product(BINS, range(count)):
        log = simulate(draw_scene(1, "horizon", name, index, version))
        late = _times(log) > 2.5
        moves = any(
            (_in_view(_seen(log, name)) & late & (np.abs(track.at(_times(log)).velocity).max(axis=1) > 0.02)).any()
            for name, track in log.tracks.items()
        )
        assert log.scene.seconds == 5.0
        assert moves or log.scene.light.turn or log.scene.attributes.outcome == "stands", log.scene

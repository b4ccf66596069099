"""What a score is to be compared with: predictors that know less than a simulator, as state logs to render.

All of them are shown the first frames of a scene and say what comes after. Copying the last frame, going on evenly and
going on with even acceleration are trivial; the nearest training example is what a memory would give.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from framefall.worlds.state import StateLog, Track

GivenTimes = Float[np.ndarray, " given"]


def copy_last(log: StateLog, given: GivenTimes) -> StateLog:
    """Everything stays where the last given frame shows it."""
    return _going_on(log, given, order=0)


def inertia(log: StateLog, given: GivenTimes) -> StateLog:
    """Everything goes on with the velocity between the last two given frames."""
    return _going_on(log, given, order=1)


def constant_acceleration(log: StateLog, given: GivenTimes) -> StateLog:
    """Everything goes on along the parabola through the last three given frames."""
    return _going_on(log, given, order=2)


TRIVIAL: dict[str, Callable[[StateLog, GivenTimes], StateLog]] = {
    "copy_last": copy_last,
    "inertia": inertia,
    "constant_acceleration": constant_acceleration,
}


@dataclass(frozen=True, eq=False)
class Memory:
    """Training examples by what their first frames show, and the nearest one to a scene."""

    logs: tuple[StateLog, ...]

    def nearest(self, log: StateLog, given: GivenTimes) -> StateLog:
        """The example of the same scenario whose first frames are most alike; attributes count before places.

        A wrong colour or shape costs a picture height a body, so that memory is as good as it can be. Without any
        example of the scenario, the first example.
        """
        rivals = [one for one in self.logs if one.scene.attributes.scenario == log.scene.attributes.scenario]
        return min(rivals or self.logs, key=lambda one: _distance(one, log, given))


def _going_on(log: StateLog, given: GivenTimes, order: int) -> StateLog:
    if len(given) < order + 1:
        raise ValueError(f"at least {order + 1} frames must be given, got {len(given)}")
    last, end = float(given[-1]), max(log.scene.seconds, float(given[-1]) + 1e-6)
    tracks = {}
    for name, track in log.tracks.items():
        seen = track.at(given)
        place, turn = seen.position, seen.rotation
        speed, acceleration, spin = np.zeros_like(place[0]), np.zeros_like(place[0]), np.zeros_like(seen.spin[0])
        if order >= 1:
            step = float(given[-1] - given[-2])
            speed, spin = (place[-1] - place[-2]) / step, (turn[-1] - turn[-2]) / step
            spin = spin if len(spin) == len(seen.spin[0]) else np.zeros_like(seen.spin[0])
        if order == 2:
            step = float(given[-1] - given[-2])
            acceleration = (place[-1] - 2 * place[-2] + place[-3]) / step**2
            speed = speed + 0.5 * step * acceleration
        span = end - last
        there = place[-1] + span * speed + 0.5 * span**2 * acceleration
        turned = turn[-1] + span * spin if len(spin) == len(turn[-1]) else turn[-1]
        first = (last, *place[-1], *speed, *turn[-1], *spin)
        final = (end, *there, *(speed + span * acceleration), *turned, *spin)
        going_on = (tuple(float(value) for value in knot) for knot in (first, final))
        tracks[name] = Track((*track.until(last).knots, *going_on))
    return replace(log, tracks=tracks, contacts=tuple(c for c in log.contacts if c.time <= last), looks=None)


def _distance(one: StateLog, log: StateLog, given: GivenTimes) -> float:
    bodies, others = log.scene.bodies, one.scene.bodies
    cost = float(abs(len(bodies) - len(others)))
    for body, other in zip(bodies, others, strict=False):
        cost += float(body.colour != other.colour) + float(body.shape != other.shape)
        apart = log.tracks[body.name].at(given).position - one.tracks[other.name].at(given).position
        cost += float(np.linalg.norm(apart, axis=1).mean()) + abs(body.radius - other.radius)
    return cost

"""Scenes whose numbers are known, drawn logs, and their broken twins, for tests of violations."""

import functools
import math

import numpy as np

from examples import examples
from framefall.noise import Key
from framefall.worlds.engines.registry import simulate
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.scene import Attributes, Body, Fixture, Scene, Thing
from framefall.worlds.state import StateLog
from framefall.worlds.violations.registry import VIOLATIONS, break_physics
from framefall.worlds.world import World

FLOOR = Fixture(name="floor", points=((-4.0, 0.0), (5.0, 0.0)))


BOARD = Fixture(
    name="board", points=((0.35, 0.1), (0.65, 0.1), (0.65, 0.9), (0.35, 0.9)), solid=False, front=True, colour="black"
)


def scene(*bodies: Body, **rest: object) -> Scene:
    things = tuple(Thing(body.colour, body.shape, "small") for body in bodies)
    return Scene(key="hand", attributes=Attributes(scenario="hand", things=things), bodies=bodies, **rest)


def ball(name: str, x: float, y: float, vx: float = 0.0, vy: float = 0.0, radius: float = 0.06, **rest: object) -> Body:
    colours = {"a": "red", "b": "blue"}
    return Body(
        name=name, colour=colours[name], shape="ball", radius=radius, position=(x, y), velocity=(vx, vy), **rest
    )


@functools.cache
def hand_made(name: str) -> StateLog:
    """Scenes whose numbers are known."""
    return simulate(
        {
            "fall": scene(ball("a", 0.5, 0.85), gravity=1.5, restitution=0.7, fixtures=(FLOOR,)),
            "collision": scene(ball("a", 0.2, 0.5, 0.4, radius=0.08), ball("b", 0.7, 0.52, -0.1)),
            "passage": scene(ball("a", 0.1, 0.5, 0.35), fixtures=(BOARD,)),
            "pendulum": scene(ball("a", 0.75, 0.6, pivot=(0.5, 0.95)), gravity=2.0),
            "ramp": scene(
                ball("a", 0.2 + 0.06 * 0.4 / math.hypot(1, 0.4), 0.72 + 0.06 / math.hypot(1, 0.4)),
                gravity=2.0,
                friction=0.0,
                fixtures=(Fixture(name="ramp", points=((-1.0, 0.0), (2.0, 0.0), (-1.0, 1.2))),),
            ),
        }[name]
    )


@functools.cache
def drawn(scenario: str, index: int) -> StateLog:
    return World((scenario,)).log(index)


@functools.cache
def logs_with(name: str) -> tuple[StateLog, ...]:
    """One or two drawn logs that a violation applies to."""
    logs = (drawn(scenario, index) for index in range(3) for scenario in SCENARIOS if scenario != "pour")
    return tuple(
        log
        for _, log in zip(range(examples(1, 2)), (log for log in logs if VIOLATIONS[name].applies(log)), strict=False)
    )


def momentum(log: StateLog, time: float) -> np.ndarray:
    masses = {body.name: body.density * body.radius**2 for body in log.scene.bodies}
    return sum(masses[n] * track.at(np.array([time])).velocity[0] for n, track in log.tracks.items())


def acceleration(log: StateLog, name: str, start: float, stop: float) -> np.ndarray:
    """From positions alone, as a tracker would measure it."""
    times = np.linspace(start, stop, 30)
    return 2 * np.polyfit(times - start, log.tracks[name].at(times).position, 2)[0]


def broken(scene_name: str, name: str, strength: float = 1.0, seed: int = 0) -> tuple[StateLog, StateLog, float]:
    log = hand_made(scene_name)
    twin = break_physics(log, name, Key(seed, "test"), strength)
    assert twin.violation_time is not None
    return log, twin, twin.violation_time

"""Scenes with depth made by hand, or drawn, for tests of what simulates and shows them."""

import functools

from framefall.worlds.engines.registry import simulate
from framefall.worlds.scenarios.solids import draw_solid
from framefall.worlds.scene import Attributes, Body, Scene, Thing
from framefall.worlds.state import StateLog


def scene(*bodies: Body, **rest: object) -> Scene:
    things = tuple(Thing(body.colour, body.shape, "medium") for body in bodies)
    attributes = Attributes(scenario="hand", things=things)
    return Scene(key="hand", attributes=attributes, bodies=bodies, engine="mujoco", **rest)


def solid(shape: str, x: float, y: float, z: float, radius: float = 0.09, **rest: object) -> Body:
    still = {"velocity": (0.0, 0.0, 0.0), "name": "a", "colour": "red"} | rest
    return Body(shape=shape, radius=radius, position=(x, y, z), **still)


@functools.cache
def falling(shape: str, spin: float = 0.0) -> StateLog:
    body = solid(shape, 0.5, 0.0, 0.7, spin=spin)
    return simulate(scene(body, gravity=1.5, restitution=0.5, friction=0.4, seconds=1.2))


@functools.cache
def drawn(scenario: str, index: int = 0) -> StateLog:
    return simulate(draw_solid(0, "train", scenario, index))

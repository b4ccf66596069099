"""Scenes and logs made by hand, for tests of what shows them."""

from framefall.worlds.scene import Attributes, Backdrop, Body, Fixture, Scene
from framefall.worlds.state import StateLog, Track

PLAIN = Backdrop(bottom=(0.8, 0.8, 0.8), top=(0.8, 0.8, 0.8))
SCREEN = Fixture(
    name="screen", points=((0.5, 0.1), (0.8, 0.1), (0.8, 0.9), (0.5, 0.9)), colour="black", solid=False, front=True
)


def body(name="one", position=(0.5, 0.5), shape="ball", radius=0.1, colour="red", **more):
    return Body(name=name, colour=colour, shape=shape, radius=radius, position=position, **more)


def log_of(*bodies, looks=None, **more):
    """A log in which every body moves on evenly and turns evenly."""
    scene = Scene(key="test", attributes=Attributes(scenario="test", things=()), bodies=bodies, **more)
    tracks = {b.name: Track(((0.0, *b.position, *b.velocity, b.angle, b.spin),)) for b in bodies}
    return StateLog(scene=scene, tracks=tracks, looks=looks)

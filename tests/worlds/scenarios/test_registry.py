"""What every scenario keeps: bodies apart, in view, of their own colours, and named as they are."""

import math
from itertools import combinations, product

import pytest
from scenario_events import EVENTS

from examples import examples
from framefall.worlds.captions.bins import BINS
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scene import BODY_COLOURS, SCENERY_COLOURS, Body
from framefall.worlds.shapes import SQUARE, reach
from framefall.worlds.splits import FAR, SPLITS


def test_every_scenario_has_an_event_that_is_looked_for() -> None:
    """In the tests of the scenarios' own modules."""
    assert set(EVENTS) == set(SCENARIOS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_bodies_begin_apart_and_in_view(name: str, split: str) -> None:
    """So that a first frame and a caption say all; only balls that are poured may still be above the picture."""
    for version, index in product(BINS, range(examples(5, 40))):
        scene = draw_scene(2, split, name, index, version)
        for one, two in combinations(scene.bodies, 2):
            assert _gap(one, two) > -1e-9, scene
        for body in scene.bodies:
            x, y = body.position
            part = reach(body.shape, body.radius) if split in FAR else 0.0  # out of distribution at least a part is
            assert -part < x < 1 + part and 0 < y < (4 if name == "pour" else 1), scene


@pytest.mark.parametrize("name", SCENARIOS)
def test_bodies_scenery_and_backdrop_have_colours_of_their_own(name: str) -> None:
    for index in range(examples(10, 40)):
        scene = draw_scene(3, "train", name, index)
        assert {body.colour for body in scene.bodies} <= set(BODY_COLOURS)
        assert {fixture.colour for fixture in scene.fixtures} <= set(SCENERY_COLOURS)
        if name != "pour":
            assert len({body.colour for body in scene.bodies}) == len(scene.bodies)
        for end in (scene.backdrop.bottom, scene.backdrop.top):
            assert max(end) - min(end) < 0.07 and 0.58 < min(end) <= max(end) < 0.88


@pytest.mark.parametrize("name", SCENARIOS)
def test_attributes_name_the_bodies_that_are_there(name: str) -> None:
    for version, split in product(BINS, SPLITS):
        scene = draw_scene(4, split, name, 0, version)
        said = scene.attributes
        assert said.scenario == name
        assert [(t.colour, t.shape) for t in said.things] == [(b.colour, b.shape) for b in scene.bodies]
        assert (said.gravity is None) == (scene.gravity == 0)
        assert (said.velocity is None) == (scene.bodies[0].velocity == (0.0, 0.0)) == (said.speed == "")
        assert bool(said.camera) == (scene.camera.velocity != (0.0, 0.0))
        covers = [fixture.colour for fixture in scene.fixtures if fixture.front]
        assert covers == ([said.occluder] if said.occluder else [])


def _gap(one: Body, two: Body) -> float:
    apart = math.dist(one.position, two.position) - reach(one.shape, one.radius) - reach(two.shape, two.radius)
    if one.shape == two.shape == "box" and one.angle == two.angle == 0:  # a stack's touch
        half = SQUARE * (one.radius + two.radius)
        sides = [abs(a - b) - half for a, b in zip(one.position, two.position, strict=True)]
        return max(apart, *sides)
    return apart

"""Sentences in anybody's own words: what they say is found, and nothing else."""

import pytest

from framefall.worlds.captions.phrases import said
from framefall.worlds.captions.sentences import describe, stated
from framefall.worlds.scenarios.registry import SCENARIOS, draw_scene
from framefall.worlds.scene import Thing

BALL = Thing("red", "ball", "large")


def thing(colour: str, shape: str) -> Thing:
    """One of no size."""
    return Thing(colour, shape, "")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_caption_is_read_exactly(name: str) -> None:
    scene = draw_scene(7, "id", name, 0)
    assert said(describe(scene)) == stated(scene.attributes, numeric=False)


@pytest.mark.parametrize(
    ("text", "scenario", "things", "direction"),
    [
        ("A large red ball falls and bounces.", "fall", (BALL,), ""),
        ("two large red balls drop", "double_drop", (BALL, BALL), ""),
        ("a red box slides down a ramp to the left", "ramp", (thing("red", "box"),), "left"),
        ("a red ball falls down", "fall", (thing("red", "ball"),), ""),
        ("a ball moves down", "uniform", (thing("", "ball"),), "down"),
        ("a ball moves left and then right", "uniform", (thing("", "ball"),), ""),
        ("the yellow ball passes behind a black screen, to the right", "occluder", (thing("yellow", "ball"),), "right"),
        ("a cyan diamond meets a blue ball", "collision", (thing("cyan", "diamond"), thing("blue", "ball")), ""),
        ("a ball is thrown left; the ball lands", "projectile", (thing("", "ball"),), "left"),
        ("three boxes", "uniform", (thing("", "box"),) * 3, ""),
        ("behind a grey screen a ball waits", "occluder", (thing("", "ball"),), ""),
    ],
)
def test_what_is_said_is_found(text: str, scenario: str, things: tuple[Thing, ...], direction: str) -> None:
    found = said(text)
    assert found is not None
    assert (found.scenario, found.things, found.direction) == (scenario, things, direction)


@pytest.mark.parametrize("text", ["", "a man talks in a moving car", "red and blue", "boxing"])
def test_who_speaks_of_no_thing_says_nothing(text: str) -> None:
    assert said(text) is None

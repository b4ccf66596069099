"""What a scene may hold, and the colours that tell its things apart."""

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hand_made import SCREEN, body, log_of

from framefall.worlds.scene import BODY_COLOURS, COLOURS, SCENERY_COLOURS, Body, Fixture, is_colour, rgb


def test_a_colour_is_a_name_or_six_digits() -> None:
    assert rgb("red") == COLOURS["red"] and rgb("#ff8000") == pytest.approx((1.0, 128 / 255, 0.0))
    assert is_colour("red") and is_colour("#00ff7f")
    assert not any(map(is_colour, ("#00FF7F", "#0f7", "beige", "")))


def test_bodies_and_scenery_share_no_colour_and_every_two_are_far_apart() -> None:
    assert not set(BODY_COLOURS) & set(SCENERY_COLOURS)
    assert set(BODY_COLOURS) | set(SCENERY_COLOURS) == set(COLOURS)
    apart = {pair: math.dist(rgb(pair[0]), rgb(pair[1])) for pair in combinations(BODY_COLOURS, 2)}
    assert min(apart.values()) > 0.25, min(apart, key=lambda pair: apart[pair])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colour": "beige"}, "colour must be one of red, .*got 'beige'"),
        ({"shape": "star"}, "shape must be one of ball, .*got 'star'"),
        ({"radius": 0.0}, "radius and density must be above 0"),
        ({"density": -1.0}, "radius and density must be above 0"),
        ({"release": -0.1}, "release at least 0"),
        ({"position": (0.5, 0.5, 0.5)}, "position and velocity must both have 2 or 3 numbers"),
    ],
)
def test_a_body_that_cannot_be_is_refused_in_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        replace(body(), **changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bodies": ()}, "a scene must have at least one body, got none; add one"),
        ({"bodies": (body(), body())}, "names of their own, got one, one"),
        ({"fixtures": (replace(SCREEN, name="one"),)}, "names of their own, got one, one"),
        ({"seconds": 0.0}, "seconds and width must be above 0"),
        ({"width": -1.0}, "seconds and width must be above 0"),
        ({"restitution": -0.1}, "restitution and friction must be at least 0"),
        ({"fixtures": (replace(SCREEN, follows="two"),)}, "must follow a body of its scene, got 'two'"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_in_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    scene = log_of(body()).scene
    assert replace(scene, fixtures=(replace(SCREEN, follows="one"),)).fixtures  # the control
    with pytest.raises(ValueError, match=sentence) as refusal:
        replace(scene, **changes)
    assert "\n" not in str(refusal.value)


def test_a_fixture_has_two_points_at_least_and_a_known_colour() -> None:
    with pytest.raises(ValueError, match="at least 2 points"):
        Fixture(name="dot", points=((0.0, 0.0),))
    with pytest.raises(ValueError, match="colour must be one of"):
        Fixture(name="line", points=((0.0, 0.0), (1.0, 0.0)), colour="beige")


def test_a_body_with_depth_has_three_numbers_for_both() -> None:
    deep = Body(name="a", colour="red", shape="cube", radius=0.1, position=(0.0,) * 3, velocity=(0.0,) * 3)
    assert len(deep.position) == 3

"""What the scenarios share: landings, cameras, walls and floors."""

import math
from itertools import islice

import numpy as np
import pytest

from examples import examples
from framefall.noise import Key
from framefall.worlds.scenarios.draw import Draw
from framefall.worlds.scenarios.registry import draw_scene
from framefall.worlds.scenarios.setting import (
    apart,
    backdrop,
    block,
    floor,
    landings,
    late_landing,
    on_floor,
    view_left,
)
from framefall.worlds.scene import SCENERY_COLOURS, Camera


def chances(index: int = 0) -> Draw:
    return Draw(Key(3, "test/setting", str(index)), "fall", "train")


def test_about_one_camera_in_seven_pans() -> None:
    """Draws of a share of 0.15 stray by 0.357 over the root of their number (one sigma); the bound is four of them."""
    names, each = ("fall", "projectile", "uniform", "collision"), examples(50, 200)
    panning = [bool(draw_scene(5, "train", name, index).attributes.camera) for index in range(each) for name in names]
    assert abs(np.mean(panning) - 0.15) < 4 * 0.357 / math.sqrt(len(panning))


def test_landings_are_those_of_a_bouncing_ball() -> None:
    first, second, third = islice(landings(0.64, 2.0, 0.5), 3)
    assert (first, second, third) == pytest.approx((0.8, 0.8 + 0.8, 0.8 + 0.8 + 0.4))
    up = next(landings(0.0, 2.0, 0.5, speed_up=1.2))
    assert up == pytest.approx(1.2)


def test_a_late_landing_is_high_enough_and_late_enough() -> None:
    assert late_landing(0.8, 1.0, 0.9)
    assert not late_landing(0.8, 1.0, 0.3)  # its hops are too low by then
    assert not late_landing(0.1, 4.0, 0.9)  # or end too early


def test_walls_are_near_neutral_and_floors_have_the_colours_of_scenery() -> None:
    for index in range(20):
        draw = chances(index)
        wall = backdrop(draw)
        for end in (wall.bottom, wall.top):
            assert max(end) - min(end) < 0.07 and 0.58 < min(end) <= max(end) < 0.88
        height, ground = floor(draw)
        assert ground.colour in SCENERY_COLOURS and max(y for _, y in ground.points) == height
        item = draw.item()
        assert on_floor(item, height) == pytest.approx(height + item.extent((0.0, -1.0)))


def test_blocks_are_anticlockwise_and_views_go_with_their_camera() -> None:
    points = block("wall", 0.0, 0.1, 0.5, 0.9, colour="grey").points
    area = sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(points, (*points[1:], points[0]), strict=True)) / 2
    assert area == pytest.approx(0.5 * 0.8)
    assert view_left(Camera(start=(0.1, 0.0), velocity=(-0.2, 0.0)), 2.0) == pytest.approx(-0.3)


def test_things_that_would_touch_are_not_apart() -> None:
    one, two = chances().item(), chances(1).item()
    far = one.reach + two.reach + 0.05
    assert apart([(one, (0.0, 0.0))], two, (far + 1e-6, 0.0), 0.05)
    assert not apart([(one, (0.0, 0.0))], two, (far - 1e-6, 0.0), 0.05)
    assert apart([], two, (0.0, 0.0), 0.05)

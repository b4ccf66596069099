"""Where things stand in the fine grid: places, boxes, order, and sizes that a picture can have."""

import math

import numpy as np
import pytest
from hand_made import SCREEN, body, log_of

from framefall.worlds.render.sprites import FINE, Grid, Sprite, View, fixtures, light_at, sprites
from framefall.worlds.scene import Camera, Fixture, Light
from framefall.worlds.state import Appearance

TIMES = np.array([0.0, 1.0])


@pytest.mark.parametrize(
    "size",
    [(0, 64), (64, 0), (-1, 64), (5000, 64), (64, 64, 0), (64, 64, 9999), (64, 64, 64, -1), (64, 64, 64, 0, -2)],
)
def test_an_impossible_size_is_refused_in_one_sentence(size):
    with pytest.raises(ValueError, match=r"^\w+ must be a whole number of pixels from \d to 4096, got -?\d+$"):
        View(*size)


@pytest.mark.parametrize(("size", "factor"), [(256, 1), (128, 2), (64, 4), (100, 3), (300, 1)])
def test_the_fine_grid_has_at_least_256_rows_and_whole_blocks(size, factor):
    view = View(size, size)
    assert view.factor == factor and size * factor >= FINE


def test_a_place_is_in_pixels_to_the_right_and_down_and_goes_with_the_camera():
    log = log_of(body(), camera=Camera(start=(0.125, 0.0), velocity=(0.25, 0.125)))
    grid = Grid(log.scene, TIMES, View(64, 64))
    places = grid.place(np.array([[0.5, 0.75], [0.5, 0.75]]), np.arange(2))
    assert places.tolist() == [[96.0, 64.0], [32.0, 96.0]]
    # rows and columns say the same the other way round
    assert grid.across[1, 32] == pytest.approx(0.5, abs=1 / 256) and grid.up[1, 96] == pytest.approx(0.75, abs=1 / 256)
    crop = Grid(log.scene, TIMES, View(20, 20, 64, 10, 5))
    assert (places - crop.place(np.array([[0.5, 0.75]]), np.arange(2))).tolist() == [[20.0, 40.0]] * 2


def test_sprites_come_from_behind_shadows_rods_bodies():
    rod = Fixture(name="rod", points=((0.5, 0.9), (0.5, 0.5)), thickness=0.02, follows="one", solid=False)
    log = log_of(body(), body("two", (0.2, 0.2), "box"), fixtures=(rod, SCREEN), light=Light(shadow=0.4))
    grid = Grid(log.scene, TIMES, View(64, 64))
    found = list(sprites(log, TIMES, grid))
    assert [sprite.role for sprite in found] == ["shadow", "shadow", "rod", "body", "body"]
    assert [sprite.thing for sprite in found] == [0, 1, 2, 0, 1]
    assert [sprite.role for sprite in fixtures(log.scene, 2, grid, front=True)] == ["front"]
    assert list(fixtures(log.scene, 2, grid, front=False)) == []
    plain = log_of(*log.scene.bodies, light=Light(shadow=0.0))  # the control
    assert [sprite.role for sprite in sprites(plain, TIMES, grid)] == ["body", "body"]


def test_a_sprites_box_holds_it_and_what_is_out_of_the_picture_is_left_out():
    log = log_of(body(position=(0.9, 0.5), velocity=(0.3, 0.0), radius=0.1))
    grid = Grid(log.scene, TIMES, View(64, 64))
    (ball,) = sprites(log, TIMES, grid)
    left, top, right, bottom = ball.box[0]
    assert (left, right) == pytest.approx((256 * 0.8 - 1, 256 * 1.0 + 1), abs=0.01)
    assert (top, bottom) == pytest.approx((256 * 0.4 - 1, 256 * 0.6 + 1), abs=0.01)
    kept = ball.within(grid.rows, grid.columns)
    assert kept is not None and kept.frame.tolist() == [0]  # a second later it has left
    assert ball.at(1) is not None and kept.at(1) is None
    joined = Sprite.joined([ball, ball])
    assert joined.frame.tolist() == [0, 1, 0, 1] and len(joined.box) == 4


def test_an_appearance_is_a_sprite_of_its_own_while_it_lasts():
    looks = {"one": (Appearance(0.5, "blue", "box", 0.05), Appearance(2.0, "blue", "box", 0.05, shown=False))}
    log = log_of(body(), looks=looks)
    times = np.array([0.0, 1.0, 3.0])
    first, second = sprites(log, times, Grid(log.scene, times, View(64, 64)))
    assert (first.kind, first.frame.tolist()) == ("disc", [0])
    assert (second.kind, second.frame.tolist()) == ("polygon", [1])


def test_light_turns_evenly_and_y_is_down():
    scene = log_of(body(), light=Light(angle=90.0, turn=90.0)).scene
    np.testing.assert_allclose(light_at(scene, TIMES), [[0.0, -1.0], [-1.0, 0.0]], atol=1e-12)
    assert math.hypot(*light_at(scene, np.array([0.3]))[0]) == pytest.approx(1.0)

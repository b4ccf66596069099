"""A body between two events: free, sliding to a stop, slipping until it rolls; against closed forms."""

import math
from dataclasses import replace

import pytest
from hand_made import body

from framefall.worlds.engines.moving_body import Ground, MovingBody, face, moving_body
from framefall.worlds.shapes import SQUARE

FLOOR = Ground(fixture=0, name="floor", normal=(0.0, 1.0), ends=(-9.0, 9.0), margin=0.1)


def on_floor(shape: str, speed: float, gravity: float, friction: float) -> MovingBody:
    one = moving_body(body(shape=shape, velocity=(speed, 0.0)), 0)
    one.ground = FLOOR
    one.update_acceleration(gravity, friction)
    return one


def test_what_is_free_flies_on_a_parabola_and_leaves_its_knots() -> None:
    one = moving_body(body(velocity=(0.3, 0.5), spin=2.0), 0)
    one.update_acceleration(2.0, 0.5)
    assert one.at(0.5) == (pytest.approx((0.65, 0.5)), pytest.approx((0.3, -0.5)))
    one.advance(0.5)
    one.advance(0.5)  # nothing new: no further knot
    assert len(one.knots) == 1 and one.knots[0][0] == 0.5
    assert one.knots[0][5:] == (1.0, 2.0)


def test_a_box_slides_to_a_stop_after_its_speed_over_the_friction() -> None:
    one = on_floor("box", 0.6, 2.0, 0.3)
    assert one.acceleration == pytest.approx((-0.6, 0.0))
    assert one.change == pytest.approx(1.0) and not one.leaves
    one.advance(one.change)
    one.stop_slipping()
    one.update_acceleration(2.0, 0.3)
    assert one.velocity == (0.0, 0.0) == one.acceleration and one.change == math.inf
    assert one.position[0] == pytest.approx(0.5 + 0.6**2 / (2 * 0.6))


def test_a_ball_slips_until_it_rolls_with_two_thirds_of_its_speed() -> None:
    one = on_floor("ball", 0.6, 2.0, 0.2)
    assert one.acceleration[0] == pytest.approx(-0.4)
    assert one.angular_acceleration == pytest.approx(-2 * 0.4 / 0.1)
    one.advance(one.change)
    one.stop_slipping()
    assert one.velocity[0] == pytest.approx(0.4) and one.spin == pytest.approx(-4.0)
    one.update_acceleration(2.0, 0.2)
    assert one.acceleration == pytest.approx((0.0, 0.0))


def test_an_edge_ends() -> None:
    one = on_floor("box", 0.6, 2.0, 0.0)
    one.ground = replace(FLOOR, ends=(0.0, 0.8))
    one.update_acceleration(2.0, 0.0)
    assert one.leaves and one.change == pytest.approx(0.5)


def test_what_is_wedged_rests() -> None:
    one = on_floor("ball", 0.6, 2.0, 0.0)
    one.ground = replace(FLOOR, wedged=True)
    one.update_acceleration(2.0, 0.0)
    assert one.velocity == (0.0, 0.0) == one.acceleration


def test_what_is_held_does_not_give_way_and_a_push_changes_the_velocity_along_its_normal() -> None:
    free, held = moving_body(body(density=2.0), 0), moving_body(body(release=1.0, velocity=(0.5, 0.0)), 0)
    assert free.inverse_mass == pytest.approx(1 / (2 * math.pi * 0.1**2)) and held.inverse_mass == 0.0
    assert held.velocity == (0.0, 0.0) and held.change == 1.0
    free.push((0.6, 0.8), 0.5)
    assert free.velocity == pytest.approx((0.3, 0.4))


def test_the_face_of_a_box_is_its_side_and_of_a_tilted_one_a_corner() -> None:
    upright, tilted = moving_body(body(shape="box"), 0), moving_body(body(shape="box", angle=0.3), 0)
    assert face(upright.corners, (0.0, 1.0)) == pytest.approx((-0.1 * SQUARE, 0.1 * SQUARE))
    low, high = face(tilted.corners, (0.0, 1.0))
    assert low == high

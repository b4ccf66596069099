"""Distances from floors, walls and rods, and the way out of them."""

import numpy as np

from framefall.physics.static_shapes import StaticShape


def test_a_place_out_of_a_square_is_as_far_as_it_is_and_the_way_out_is_outwards() -> None:
    square = StaticShape("square", np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]), 0.0)
    gap, out = square.signed_distance(np.array([[2.0, -3.0], [2.0, 1.0], [7.0, 8.0]]))
    assert np.allclose(gap, [3.0, -1.0, 5.0])
    assert np.allclose(out, [[0.0, -1.0], [0.0, -1.0], [0.6, 0.8]])


def test_a_line_has_its_thickness() -> None:
    gap, _ = StaticShape("rod", np.array([[0.0, 0.0], [4.0, 0.0]]), 0.5).signed_distance(np.array([[2.0, 3.0]]))
    assert np.allclose(gap, 2.5)


def test_what_is_inside_is_held_and_a_line_holds_nothing() -> None:
    triangle = StaticShape("ramp", np.array([[0.0, 4.0], [4.0, 4.0], [0.0, 0.0]]), 0.0)
    places = np.array([[1.0, 3.0], [3.0, 1.0]])
    assert triangle.contains(places).tolist() == [True, False]
    assert StaticShape("ramp", triangle.corners[::-1], 0.0).contains(places).tolist() == [True, False]
    assert not StaticShape("rod", np.array([[0.0, 0.0], [4.0, 4.0]]), 1.0).contains(places).any()

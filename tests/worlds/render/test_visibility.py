"""How much can be seen, against areas that are known by hand."""

import math

import numpy as np
import pytest
from hand_made import body, log_of

from framefall.worlds.render.visibility import halton, hidden_shares, visible_fraction
from framefall.worlds.scene import Camera, Fixture
from framefall.worlds.shapes import OUTLINES
from framefall.worlds.state import Appearance

TIMES = np.array([0.0, 1.0, 2.0])
SCREEN = Fixture(name="screen", points=((0.5, 0.0), (0.9, 0.0), (0.9, 1.0), (0.5, 1.0)), solid=False, front=True)


@pytest.mark.parametrize("shape", ["ball", "box", "diamond"])  # a line through their centre halves them
@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_a_screen_through_its_centre_hides_half_of_a_body(shape, angle):
    log = log_of(body("one", (0.5, 0.5), shape=shape, angle=angle), fixtures=(SCREEN,))
    assert visible_fraction(log, TIMES)["one"] == pytest.approx([0.5] * 3, abs=0.005)  # 2,048 even points
    clear = log_of(*log.scene.bodies)
    assert visible_fraction(clear, TIMES)["one"].tolist() == [1.0] * 3  # the control


def test_a_ball_goes_behind_and_comes_out():
    log = log_of(body("one", (0.4, 0.5), velocity=(0.3, 0.0)), fixtures=(SCREEN,))
    seen = visible_fraction(log, np.array([0.0, 1.0, 1.0 + 2 / 3, 5.0]))["one"]
    # at 1.67 s the screen's right side goes through the centre, and the view's side just touches the ball
    assert seen == pytest.approx([1.0, 0.0, 0.5, 0.0], abs=0.005)


def test_two_balls_hide_what_a_lens_of_them_is():
    apart, r = 0.1, 0.1
    log = log_of(body("one", (0.4, 0.5)), body("two", (0.4 + apart, 0.5)))
    lens = 2 * r**2 * math.acos(apart / (2 * r)) - apart / 2 * math.sqrt(4 * r**2 - apart**2)
    seen = visible_fraction(log, TIMES)
    assert seen["one"][0] == pytest.approx(1 - lens / (math.pi * r**2), abs=0.005)
    assert seen["two"][0] == 1.0  # it stands in front


def test_what_several_hide_is_the_nearests():
    log = log_of(body("one", (0.5, 0.5)), body("two", (0.5, 0.5), radius=0.2), fixtures=(SCREEN,))
    seen, hiders = hidden_shares(log, "one", TIMES)
    assert seen.tolist() == [0.0] * 3
    assert hiders["screen"] == pytest.approx([0.5] * 3, abs=0.005)
    assert hiders["two"] == pytest.approx([0.5] * 3, abs=0.005)  # and not all, though it is before all of it
    assert hidden_shares(log_of(*log.scene.bodies), "one", TIMES)[1]["two"].tolist() == [1.0] * 3  # the control


def test_what_is_out_of_view_is_hidden_by_nobody():
    log = log_of(body("one", (0.0, 0.5)), body("two", (1.0, 1.0)), body("gone", (-0.5, 0.5)))
    seen = visible_fraction(log, TIMES)
    assert [seen[name][0] for name in ("one", "two", "gone")] == pytest.approx([0.5, 0.25, 0.0], abs=0.005)
    assert not any(shares.any() for shares in hidden_shares(log, "one", TIMES)[1].values())
    wide = log_of(*log.scene.bodies[1:], width=1.5)
    assert visible_fraction(wide, TIMES)["two"][0] == pytest.approx(0.5, abs=0.005)


def test_the_view_goes_with_the_camera():
    log = log_of(body("one", (0.2, 0.5)), camera=Camera(velocity=(0.1, 0.0)))
    seen = visible_fraction(log, np.array([0.0, 2.0, 4.0]))["one"]
    assert seen == pytest.approx([1.0, 0.5, 0.0], abs=0.005)


def test_only_what_stands_in_front_hides():
    behind = Fixture(name="screen", points=SCREEN.points, solid=False)
    rod = Fixture(name="rod", points=((0.5, 1.0), (0.5, 0.5)), thickness=0.05, follows="one", front=True)
    log = log_of(body("one", (0.5, 0.5)), fixtures=(behind, rod))
    assert visible_fraction(log, TIMES)["one"].tolist() == [1.0] * 3


def test_a_thick_line_hides_a_band():
    bar = Fixture(name="bar", points=((0.0, 0.5), (1.0, 0.5)), thickness=0.03, solid=False, front=True)
    log = log_of(body("one", (0.5, 0.5), shape="box"), fixtures=(bar,))
    side = math.sqrt(math.pi) * 0.1
    assert visible_fraction(log, TIMES)["one"][0] == pytest.approx(1 - 0.06 / side, abs=0.005)


def test_a_look_hides_as_it_looks_and_not_while_it_is_gone():
    looks = (Appearance(0.5, "red", "box", 0.3), Appearance(1.5, "red", "box", 0.3, shown=False))
    log = log_of(body("one", (0.3, 0.5)), body("two", (0.55, 0.5)), looks={"two": looks})
    seen = visible_fraction(log, TIMES)
    side = 0.3 - (0.55 - 0.3 * math.sqrt(math.pi) / 2)  # how far left of the ball's centre the box begins
    segment = (math.acos(side / 0.1) - side / 0.1 * math.sqrt(1 - (side / 0.1) ** 2)) / math.pi
    assert seen["one"] == pytest.approx([1.0, segment, 1.0], abs=0.005)
    assert seen["two"].tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("shape", OUTLINES)
def test_a_quarter_that_is_cut_off_counts_as_its_points(shape):
    # a body turns about the crossing of a cover's sides: what it hides over a whole turn is a quarter, for any shape
    quarter = Fixture(name="cover", points=((0.5, 0.5), (1.5, 0.5), (1.5, 1.5), (0.5, 1.5)), solid=False, front=True)
    turns = [
        visible_fraction(log_of(body("one", (0.5, 0.5), shape=shape, angle=a), fixtures=(quarter,)), TIMES)["one"][0]
        for a in np.arange(12) * math.pi / 6
    ]
    assert np.mean(turns) == pytest.approx(0.75, abs=0.003)


def test_points_are_evenly_spread():
    points = halton(1000)
    assert ((points > 0) & (points < 1)).all()
    for low in np.arange(10) / 10:
        share = ((points >= low) & (points < low + 0.1)).mean(axis=0)
        assert share == pytest.approx([0.1, 0.1], abs=0.005)  # random ones are off by 0.01
    assert len(np.unique(points, axis=0)) == 1000

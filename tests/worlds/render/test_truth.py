"""What the renderer says is in a picture is there: mattes, flow and states are checked against each other."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import SCREEN, body, log_of

from framefall.worlds.render.renderer import View
from framefall.worlds.render.truth import body_truth, render_truth
from framefall.worlds.render.visibility import visible_fraction
from framefall.worlds.scene import Backdrop, Camera, Light
from framefall.worlds.shapes import OUTLINES
from framefall.worlds.state import Appearance, frame_times
from framefall.worlds.world import World

NOW = np.zeros(1)
SMALL = View(64, 64)


def centroid(matte):
    down, across = np.indices(matte.shape) + 0.5
    weight = matte.double().numpy()
    return np.array([(across * weight).sum(), (down * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("radius", [0.05, 0.09])
@pytest.mark.parametrize("shape", OUTLINES)
def test_a_mattes_centroid_is_where_the_state_is(shape, radius):
    errors, visible, controls = [], [], []
    for angle in (0.0, 0.3, 0.77, 2.0):
        for offset in (0.0, 0.13, 0.5, 0.77):
            place = (0.5 + offset / 64, 0.5 - 0.7 * offset / 64)
            truth = render_truth(log_of(body(position=place, shape=shape, radius=radius, angle=angle)), NOW, SMALL)
            np.testing.assert_allclose(truth.position[0, 0], (place[0] * 64, 64 - place[1] * 64), atol=1 / 4096)
            errors.append(np.abs(centroid(truth.full[0, 0]) - truth.position[0, 0]).max())
            visible.append(np.abs(centroid(truth.visible[0, 0]) - truth.position[0, 0]).max())
            controls.append(np.abs(centroid(truth.full[0, 0] > 0.5) - truth.position[0, 0]).max())
    # the worst seen was 0.018: a rim pixel's part counts at the pixel's middle, however well it is covered
    assert max(errors) < 0.02 and max(visible) < 0.02
    assert max(controls) > 0.05  # the control: a matte of whole pixels


@pytest.mark.parametrize("shape", OUTLINES)
def test_a_mattes_area_is_the_shapes(shape):
    truth = render_truth(log_of(body(shape=shape, angle=0.4)), NOW, SMALL)
    # the rim's ramp and the corners' products leave 0.3% at this size
    assert float(truth.full.sum()) == pytest.approx(math.pi * 6.4**2, rel=0.004)
    assert torch.equal(truth.full, truth.visible)


HIDING = {
    "a screen": (log_of(body(position=(0.47, 0.5)), fixtures=(SCREEN,)), 0.2),
    "a body": (log_of(body(), body("two", (0.62, 0.45), "box", 0.08, angle=0.4)), 0.6),
    "a body that has a look": (
        log_of(body(), body("two", (0.62, 0.45)), looks={"two": (Appearance(0.0, "blue", "triangle", 0.07),)}),
        0.7,
    ),
    "a body and a screen": (log_of(body(position=(0.45, 0.5)), body("two", (0.35, 0.5)), fixtures=(SCREEN,)), 0.3),
    "the view's side": (log_of(body(position=(0.03, 0.5), shape="diamond")), 0.5),
    "the view's corner": (log_of(body(position=(0.95, 1.02), shape="triangle")), 0.2),
    "a camera that has gone": (log_of(body(), camera=Camera(start=(0.45, 0.46))), 0.5),
    "nothing": (log_of(body(position=(0.3, 0.3)), fixtures=(SCREEN,)), 0.99),
}


@pytest.mark.parametrize("name", HIDING)
def test_what_a_matte_shows_is_the_share_that_geometry_says(name):
    log, least = HIDING[name]
    truth, share = render_truth(log, NOW, SMALL), visible_fraction(log, NOW)["one"][0]
    shown = float(truth.visible[0].sum()) / (math.pi * 6.4**2)
    assert shown == pytest.approx(share, abs=0.01)  # of 2,048 points, and the matte's 0.3%
    assert least < share
    if name != "nothing":
        whole = log_of(log.scene.bodies[0], camera=log.scene.camera)
        hidden = float(truth.full[0].sum()) / (math.pi * 6.4**2)
        assert share < 0.95
        # the control: the whole matte, or, past the view's side, the whole body
        assert abs(hidden - share) > 0.05 or visible_fraction(whole, NOW)["one"][0] < 0.95


def test_half_a_ball_shows_its_half_centroid():
    truth = render_truth(log_of(body(), fixtures=(SCREEN,)), NOW, SMALL)
    # a half disc's centroid is 4 r / (3 pi) from its straight side
    expected = truth.position[0, 0] - (4 * 6.4 / (3 * math.pi), 0.0)
    assert np.abs(centroid(truth.visible[0, 0]) - expected).max() < 0.02
    assert np.abs(centroid(truth.full[0, 0]) - expected).max() > 1.0  # the control


def test_what_is_shown_adds_up_to_the_whole_picture():
    truth = render_truth(World(("collision",)).log(0), frame_times(3, 2.0), SMALL)
    assert float(truth.visible.sum(dim=0).max()) <= 1 + 1e-5
    assert (truth.visible <= truth.full + 1e-5).all()
    for index in range(len(truth.visible)):
        assert (truth.visible[index][truth.thing == index] > 0.3).all()
        assert (truth.thing == index).any()


def test_who_stands_in_front_is_named_in_front():
    log = log_of(body(position=(0.47, 0.5)), body("two", (0.42, 0.5), colour="blue"), fixtures=(SCREEN,))
    thing = render_truth(log, NOW, SMALL).thing[0]
    row = thing[32].tolist()
    # the wall, the first body where the second does not hide it, the second, the screen (after two bodies), the wall
    assert [row[column] for column in (5, 25, 40, 60)] == [-1, 1, 2, -1]
    assert (thing == 0).any() and not (thing[:, 33:50] == 0).any()
    behind = log_of(*log.scene.bodies, fixtures=(replace(SCREEN, front=False),))
    assert 0 in render_truth(behind, NOW, SMALL).thing[0][:, 33:50]  # the control


def flow_at(truth, index):
    """The flow of a thing's pixels in the first step, `[n, 2]`, and their places."""
    chosen = truth.thing[0] == index
    down, across = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    assert chosen.any()
    places = torch.stack((across[chosen], down[chosen]), dim=1).double().numpy()
    return truth.flow[:, 0, chosen].T.double().numpy(), places


@pytest.mark.parametrize("pan", [(0.0, 0.0), (0.2, -0.1)])
def test_flow_is_the_difference_of_states(pan):
    log = log_of(body(velocity=(0.3, 0.2)), body("two", (0.2, 0.2), "box", 0.1, spin=1.5), camera=Camera(velocity=pan))
    times = frame_times(2, 4.0)
    truth = render_truth(log, times, SMALL)
    # positions are rounded to 1,024ths of a fine pixel, 1/4,096 here, and there are up to four of them
    rounding = 1 / 1024
    carried, _ = flow_at(truth, 0)
    expected = np.array([0.3 - pan[0], -(0.2 - pan[1])]) * 0.25 * 64
    np.testing.assert_allclose(carried, np.broadcast_to(expected, carried.shape), atol=rounding)
    np.testing.assert_allclose(truth.velocity[0, 0] * 0.25, expected, atol=rounding)
    np.testing.assert_allclose(truth.position[0, 1] - truth.position[0, 0], expected, atol=rounding)
    camera, _ = flow_at(truth, -1)
    np.testing.assert_allclose(camera, np.broadcast_to(np.array([-pan[0], pan[1]]) * 16, camera.shape), atol=rounding)
    assert np.abs(carried - carried.mean(axis=0)).max() < 1e-5  # it does not turn
    turned, _ = flow_at(truth, 1)
    assert np.abs(turned - turned.mean(axis=0)).max() > 1.0  # the control: the box does


@pytest.mark.parametrize("shape", ["box", "triangle", "diamond"])
def test_flow_carries_a_turning_body_onto_itself(shape):
    log = log_of(body(shape=shape, radius=0.2, velocity=(0.1, 0.0), spin=1.6))
    truth = render_truth(log, frame_times(2, 4.0), SMALL)
    flow, places = flow_at(truth, 0)
    back = 2 * truth.velocity[0, 0] * 0.25 - flow  # the control turns the other way round

    inner = (truth.full[0, 0] > 0.999)[truth.thing[0] == 0].numpy()  # none of the rim's pixels

    def lands(carried):
        column, row = (carried + places)[inner].astype(int).T
        return float((truth.full[0, 1][row, column] > 0.2).double().mean())

    assert lands(flow) == 1.0
    assert lands(back) < 0.97


def test_a_rods_flow_turns_about_its_pivot():
    log = World(("pendulum",)).log(0)
    rod = next(i for i, fixture in enumerate(log.scene.fixtures) if fixture.follows) + len(log.scene.bodies)
    times = np.array([0.5, 0.6])
    truth = render_truth(log, times, SMALL)
    fixture = log.scene.fixtures[rod - len(log.scene.bodies)]
    pivot = np.asarray(fixture.points[0]) * (64, -64) + (0, 64)
    state = log.tracks[str(fixture.follows)].at(times)
    arm = np.linalg.norm(state.position[0] * (64, -64) + (0, 64) - pivot)
    flow, places = flow_at(truth, rod)
    bob = np.linalg.norm(state.position[1] - state.position[0]) * 64
    # a chord is as long as its place is far from the pivot
    expected = bob * np.linalg.norm(places - pivot, axis=1) / arm
    np.testing.assert_allclose(np.linalg.norm(flow, axis=1), expected, atol=0.01)
    assert np.abs(bob - expected).max() > 0.1  # the control: the bob's own way


def test_a_body_that_has_vanished_has_no_matte():
    log = log_of(body(), looks={"one": (Appearance(1.0, "red", "ball", 0.1, shown=False),)})
    truth = render_truth(log, np.array([0.5, 1.5]), SMALL)
    assert truth.full[0, 0].sum() > 100 and truth.full[0, 1].sum() == truth.visible[0, 1].sum() == 0
    assert (truth.thing[1] == -1).all()


def test_a_crop_has_the_crops_truth():
    log, times = World(("billiards",)).log(1), frame_times(2, 4.0)
    whole, crop = (render_truth(log, times, view) for view in (SMALL, View(20, 32, 64, 30, 17)))
    place = slice(30, 50), slice(17, 49)
    for name in ("video", "visible", "full", "thing", "flow"):
        part = getattr(whole, name)[..., place[0], place[1]]
        torch.testing.assert_close(getattr(crop, name), part, rtol=0, atol=1e-4 if name == "flow" else 0)
    np.testing.assert_allclose(crop.position, whole.position - (17, 30), atol=1e-9)


def test_a_scene_with_depth_is_refused():
    log = log_of(body())
    with pytest.raises(ValueError, match="flat scenes"):
        render_truth(replace(log, scene=replace(log.scene, engine="mujoco")), NOW, SMALL)


def test_body_truth_says_everything_and_is_json():
    log = log_of(
        body(position=(0.47, 0.5), velocity=(0.1, 0.0), angle=0.5, spin=2.0),
        body("two", (0.3, 0.2)),
        looks={"two": (Appearance(0.5, "#e883b9", "box", 0.05), Appearance(1.5, "red", "box", 0.05, shown=False))},
        fixtures=(SCREEN,),
        gravity=1.5,
        restitution=0.8,
        friction=0.3,
        camera=Camera(velocity=(0.05, 0.0)),
        light=Light(angle=100.0, turn=10.0),
        backdrop=Backdrop(),
    )
    times = frame_times(3, 1.0)
    truth = body_truth(log, times)
    assert json.loads(json.dumps(truth)) == truth
    assert truth["times"] == [0.0, 1.0, 2.0] and len(truth["frames"]) == 3
    assert (truth["gravity"], truth["restitution"], truth["friction"]) == (1.5, 0.8, 0.3)
    assert (truth["key"], truth["violation"], truth["violation_time"]) == ("test", "", None)
    one, two = truth["frames"][1]["bodies"]
    assert one["position"] == pytest.approx([0.57, 0.5]) and one["velocity"] == pytest.approx([0.1, 0.0])
    assert (one["id"], one["angle"], one["spin"], one["occluder"]) == ("one", 2.5, 2.0, "screen")
    assert one["visible"] == visible_fraction(log, times)["one"][1] < 0.5
    assert (two["colour"], two["shape"], two["radius"], two["shown"]) == ("#e883b9", "box", 0.05, True)
    assert (two["visible"], two["occluder"]) == (1.0, "")
    assert [frame["bodies"][1]["shown"] for frame in truth["frames"]] == [True, True, False]
    assert truth["frames"][2]["bodies"][1]["visible"] == 0.0
    assert truth["frames"][2]["camera"] == pytest.approx([0.1, 0.0]) and truth["frames"][2]["light"] == 120.0
    blows = body_truth(World(("collision",)).log(0), times)["contacts"]
    assert blows and set(blows[0]) == {"time", "first", "second", "speed"}

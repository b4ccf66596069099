import functools
import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from framefall.worlds.captions.grammar import PARAPHRASES
from framefall.worlds.captions.parser import parse
from framefall.worlds.captions.sentences import describe, stated
from framefall.worlds.engines import solids as engine
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render import solids
from framefall.worlds.render.renderer import View, render
from framefall.worlds.render.truth import body_truth
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS, draw_solid, half_height
from framefall.worlds.scene import COLOURS, SOLIDS, Attributes, Body, Camera, Light, Scene, Thing
from framefall.worlds.splits import split_of
from framefall.worlds.state import StateLog, frame_times, from_json, to_json
from framefall.worlds.world import open_world


def scene(*bodies: Body, **rest: object) -> Scene:
    things = tuple(Thing(body.colour, body.shape, "medium") for body in bodies)
    attributes = Attributes(scenario="hand", things=things)
    return Scene(key="hand", attributes=attributes, bodies=bodies, engine="mujoco", **rest)


def solid(shape: str, x: float, y: float, z: float, radius: float = 0.09, **rest: object) -> Body:
    still = {"velocity": (0.0, 0.0, 0.0), "name": "a", "colour": "red"} | rest
    return Body(shape=shape, radius=radius, position=(x, y, z), **still)


@functools.cache
def falling(shape: str, spin: float = 0.0) -> StateLog:
    body = solid(shape, 0.5, 0.0, 0.7, spin=spin)
    return simulate(scene(body, gravity=1.5, restitution=0.5, friction=0.4, seconds=1.6))


@functools.cache
def drawn(scenario: str, index: int = 0) -> StateLog:
    return simulate(draw_solid(0, "train", scenario, index))


def centroid(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize("shape", SOLIDS)
def test_a_solid_falls_with_the_scenes_gravity(shape: str) -> None:
    times = np.linspace(0.05, 0.7, 40)
    height = falling(shape).tracks["a"].at(times).position[:, 2]
    # half-millisecond steps are off by g h t / 2: 0.07 % of the way at the end
    assert -2 * np.polyfit(times, height, 2)[0] == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("spin", [0.0, 1.3])
@pytest.mark.parametrize("shape", SOLIDS)
def test_a_blow_takes_about_the_scenes_restitution_and_never_adds_energy(shape: str, spin: float) -> None:
    log = falling(shape, spin)
    first = log.contacts[0]
    assert (first.first, first.second) == ("a", "floor")
    fall = 0.7 - half_height(shape, 0.09)
    assert first.time == pytest.approx(math.sqrt(2 * fall / 1.5), abs=0.002)
    assert first.speed == pytest.approx(math.sqrt(2 * fall * 1.5), rel=0.01)
    times = np.linspace(0.0, 1.6, 400)
    state = log.tracks["a"].at(times)
    energy = (state.velocity**2).sum(axis=1) / 2 + 1.5 * state.position[:, 2]
    assert energy.max() < energy[0] * 1.005
    up = state.velocity[:, 2].max() / first.speed
    assert up == pytest.approx(0.5, abs=0.12)  # soft contacts promise no more


@pytest.mark.parametrize("shape", SOLIDS)
def test_a_solid_comes_to_rest_on_the_floor(shape: str) -> None:
    resting = solid(shape, 0.5, 0.0, half_height(shape, 0.09))
    log = simulate(scene(resting, gravity=2.0, friction=0.5, restitution=0.1))
    state = log.tracks["a"].at(np.linspace(0, 2.5, 50))
    assert np.abs(state.position - (0.5, 0.0, half_height(shape, 0.09))).max() < 2e-3
    assert log.contacts[0].second == "floor"


def test_spheres_that_meet_keep_their_momentum() -> None:
    first = solid("sphere", 0.2, 0.0, 0.5, 0.1, velocity=(0.6, 0.0, 0.0))
    second = solid("sphere", 0.7, 0.0, 0.5, 0.07, name="b", colour="blue", velocity=(-0.1, 0.0, 0.0))
    log = simulate(scene(first, second, restitution=0.8, seconds=1.0))
    masses = {"a": 0.1**3, "b": 0.07**3}
    moments = np.array([0.0, 0.9])
    momentum = sum(masses[name] * track.at(moments).velocity[:, 0] for name, track in log.tracks.items())
    assert momentum[1] == pytest.approx(momentum[0], rel=1e-3)
    assert [(c.first, c.second) for c in log.contacts] == [("a", "b")]
    assert log.contacts[0].speed == pytest.approx(0.7, rel=1e-3)
    # and they did meet
    assert log.tracks["b"].knot(0.9)[4] > 0


@pytest.mark.parametrize("scenario", list(SOLID_SCENARIOS))
def test_every_scene_with_depth_can_be_drawn_simulated_kept_and_seen(scenario: str) -> None:
    log = drawn(scenario)
    assert log.scene == draw_solid(0, "train", scenario, 0) != draw_solid(0, "train", scenario, 1)
    assert {split_of(draw_solid(0, split, scenario, 0)) for split in ("id", "ood-far")} == {"id", "ood-far"}
    assert from_json(to_json(log)) == log
    assert len(to_json(log)) < 16_000
    times = frame_times(4, 2.0)
    view = View(64, 64)
    pictures = solids.render(log, times, view)
    assert pictures.shape == (3, 4, 64, 64) and pictures.dtype == np.uint8
    assert pictures.std() > 5
    seen = solids.masks(log, times, view)
    assert seen.shape == (4, 64, 64) and set(np.unique(seen[0])) == set(range(len(log.scene.bodies) + 1))
    depth = solids.depths(log, times, view)
    assert depth[seen > 0].min() > 2 and depth[seen > 0].max() < 4.5


def test_the_hidden_solid_is_hidden_and_comes_back() -> None:
    seen = (solids.masks(drawn("solid_behind"), frame_times(26, 10.0), View(64, 64)) > 0).sum(axis=(1, 2))
    assert seen[0] > 0 and (seen == 0).any() and seen[np.flatnonzero(seen == 0)[0] :].max() > 0


@pytest.mark.parametrize("turn", [(0.0, 0.0), (-25.0, 30.0)])
def test_the_projected_middle_is_where_the_pixels_are(turn: tuple[float, float]) -> None:
    bodies = (
        solid("sphere", 0.3, -0.1, 0.5, 0.08),
        solid("sphere", 0.7, 0.2, 0.3, 0.12, name="b", colour="blue"),
    )
    log = simulate(scene(*bodies, seconds=1.0, camera=Camera(orbit=turn)))
    times, view = np.array([0.0, 0.5, 1.0]), View(96, 128, scale=128, top=20)
    seen, places = solids.masks(log, times, view), solids.project(log, times, view)
    for index, name in enumerate(("a", "b")):
        found = np.array([centroid(frame == index + 1) for frame in seen])
        # whole pixels of a disc of 300 are right to a tenth; a sphere off the axis is seen a little larger outwards
        np.testing.assert_allclose(found, places[name], atol=0.3)
    assert np.abs(found - places["a"]).max() > 10  # the other one's place is not


def test_the_picture_shows_the_colour_where_the_mask_is() -> None:
    log = simulate(scene(solid("sphere", 0.5, 0.0, 0.5, 0.12), seconds=0.5))
    picture = solids.render(log, np.array([0.0]), View(96, 96))[:, 0].astype(float)
    red = (picture[0] - picture[1] > 40) & (picture[0] - picture[2] > 40)
    mask = solids.masks(log, np.array([0.0]), View(96, 96))[0] == 1
    np.testing.assert_allclose(centroid(red), centroid(mask), atol=1.0)
    assert (red & mask).sum() / (red | mask).sum() > 0.85
    shown = np.median(picture[:, mask], axis=1) / 255
    assert np.argmax(shown) == np.argmax(COLOURS["red"])


def test_an_orbit_moves_the_picture_and_not_the_bodies() -> None:
    log = drawn("solid_orbit")
    times = np.array([0.0, 2.0])
    for track in log.tracks.values():
        assert np.ptp(track.at(times).position, axis=0).max() < 2e-3
    moving = solids.project(log, times, View(64, 64))
    still = solids.project(replace(log, scene=replace(log.scene, camera=Camera())), times, View(64, 64))
    assert max(np.ptp(place, axis=0).max() for place in moving.values()) > 3
    assert max(np.ptp(place, axis=0).max() for place in still.values()) < 0.2


@pytest.mark.parametrize("height", [0.12, 0.5])
def test_the_shadow_lies_on_the_side_away_from_the_light(height: float) -> None:
    def dark(angle: float) -> np.ndarray:
        """How much darker each column of the floor is than under a scene whose only body is out of view."""
        alone, away = (
            simulate(scene(solid("sphere", x, 0.0, height, 0.1), seconds=0.1, light=Light(angle=angle)))
            for x in (0.5, 9.0)
        )
        here, empty = (solids.render(log, np.array([0.0]), View(64, 64))[:, 0].astype(float) for log in (alone, away))
        floor = solids.masks(alone, np.array([0.0]), View(64, 64))[0] == 0
        return np.clip((empty - here).mean(axis=0) * floor, 0, None).sum(axis=0)

    left, right = (dark(angle) for angle in (60.0, 120.0))  # lit from the right, from the left
    for shadow, side in ((left, left[:30].sum() / left.sum()), (right, right[34:].sum() / right.sum())):
        assert shadow.sum() > 100 and side > 0.7


def test_rates_sizes_and_crops_show_the_same_log() -> None:
    log = drawn("solid_collision")
    slow, fast = (solids.render(log, times, View(48, 48)) for times in (frame_times(3, 2.0), frame_times(5, 4.0)))
    np.testing.assert_array_equal(slow, fast[:, ::2])
    whole = solids.render(log, frame_times(2, 2.0), View(48, 48))
    crop = solids.render(log, frame_times(2, 2.0), View(20, 30, scale=48, top=25, left=10))
    np.testing.assert_array_equal(crop, whole[:, :, 25:45, 10:40])
    fine = solids.render(log, frame_times(2, 2.0), View(96, 96)).astype(float)
    shrunk = fine.reshape(3, 2, 48, 2, 48, 2).mean(axis=(3, 5))
    assert np.abs(shrunk - whole).mean() < 2.0  # edges of tiles are sampled otherwise


def test_frames_of_24_a_second_are_those_of_6_and_the_common_renderer_makes_them() -> None:
    log, view = drawn("solid_fall"), View(32, 32)
    base, finer = solids.render(log, frame_times(3, 6.0), view), solids.render(log, frame_times(9, 24.0), view)
    np.testing.assert_array_equal(base, finer[:, ::4])
    assert (base != finer[:, 1:8:3]).any()
    flat = open_world("fall").log(0)
    both = render([log, flat], [frame_times(3, 6.0)] * 2, view)
    np.testing.assert_array_equal(both[0].numpy(), base)
    np.testing.assert_array_equal(both[1].numpy(), render([flat], [frame_times(3, 6.0)], view)[0].numpy())


def test_the_same_scene_gives_the_same_log() -> None:
    body = solid("cube", 0.5, 0.0, 0.4, spin=1.0)
    one, two, other = (
        simulate(scene(body, gravity=gravity, restitution=0.5, friction=0.4, seconds=0.9))
        for gravity in (2.0, 2.0, 2.01)
    )
    assert to_json(one) == to_json(two)
    assert one.tracks != other.tracks


@pytest.mark.parametrize("split", ["train", "ood-near", "ood-far"])
@pytest.mark.parametrize("scenario", list(SOLID_SCENARIOS))
def test_solids_begin_apart_from_each_other(scenario: str, split: str) -> None:
    def meet(scene: Scene) -> bool:
        """Whether two solids touch in the first two steps."""
        return any(c.second != "floor" for c in simulate(replace(scene, seconds=0.001)).contacts)

    scenes = [draw_solid(0, split, scenario, index) for index in range(12)]
    assert not any(map(meet, scenes))
    if scenario in ("solid_orbit", "solid_collision"):  # the control: of three times the size they do
        swollen = [replace(s, bodies=tuple(replace(b, radius=3 * b.radius) for b in s.bodies)) for s in scenes]
        assert any(map(meet, swollen))


def test_without_mujoco_everything_flat_works_and_depth_asks_for_the_extra() -> None:
    program = """
import sys
sys.modules["mujoco"] = None
from framefall.worlds.engines.registry import simulate
from framefall.worlds.world import open_world
assert open_world("fall").log(0).contacts
try:
    simulate(open_world("solid_fall").scene(0))
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "scenes with depth need MuJoCo; install it with: pip install 'framefall[physics3d]'\n"
    assert done.stderr == ""


def test_what_cannot_be_done_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = Body(name="a", colour="red", shape="ball", radius=0.1, position=(0.5, 0.5))
    with pytest.raises(ValueError, match="needs a scene with depth"):
        engine.simulate(scene(flat))
    with pytest.raises(ValueError, match="must lie in its picture of 64 x 64 pixels"):
        solids.render(drawn("solid_orbit"), np.array([0.0]), View(64, 64, scale=64, top=1))
    with pytest.raises(ValueError, match="must be one of solid_fall"):
        draw_solid(0, "train", "fall", 0)
    with pytest.raises(ValueError, match="got 'comb'"):
        draw_solid(0, "comb", "solid_fall", 0)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ValueError, match=r"pip install 'framefall\[physics3d\]'"):
        engine.simulate(scene(solid("cube", 0.5, 0.0, 0.5)))


@pytest.mark.parametrize("name", SOLID_SCENARIOS)
def test_scenes_with_depth_are_part_of_a_world_and_their_captions_can_be_read_back(name: str) -> None:
    world = open_world(name)
    for index in range(20):
        scene = world.scene(index)
        for paraphrase in range(PARAPHRASES):
            for numeric in (False, True):
                assert parse(describe(scene, paraphrase, numeric)) == stated(scene.attributes, numeric)
    truth = json.loads(json.dumps(body_truth(world.log(0), frame_times(3, 6.0))))
    assert len(truth["frames"][0]["bodies"][0]["position"]) == 3
    with pytest.raises(ValueError, match="scenes with depth have no comb split"):
        open_world(name, split="comb")

"""Pictures, masks, depths and projections of scenes with depth agree with their logs and with each other."""

from dataclasses import replace

import numpy as np
import pytest
from solid_scenes import drawn, scene, solid
from split_checks import split_of

from examples import examples
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render import solids
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scenarios.solids import SOLID_SCENARIOS, draw_solid
from framefall.worlds.scene import COLOURS, Camera, Light
from framefall.worlds.state import frame_times, from_json, to_json
from framefall.worlds.world import open_world


def centroid(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize("scenario", [*SOLID_SCENARIOS][: examples(1, len(SOLID_SCENARIOS))])
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


@pytest.mark.parametrize("height", examples([0.5], [0.12, 0.5]))
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


@pytest.mark.slow  # rates are compared below, places in a crop above
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

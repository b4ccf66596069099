"""Chipmunk behind pymunk: its rules, its errors and their order, stacks and pours."""

import hashlib
import math
import sys
from dataclasses import replace
from subprocess import run

import numpy as np
import pymunk
import pytest

from framefall.noise import Key
from framefall.worlds.engines import rigid_bodies
from framefall.worlds.scene import Attributes, Body, Fixture, Scene
from framefall.worlds.state import frame_times, to_json

G = 2.0
FLOOR = Fixture(name="floor", points=((-9.0, -1.0), (9.0, -1.0), (9.0, 0.1), (-9.0, 0.1)))
JAR = tuple(
    Fixture(name=name, points=line, thickness=0.01)
    for name, line in (
        ("left", ((0.3, 0.05), (0.25, 0.7))),
        ("right", ((0.7, 0.05), (0.75, 0.7))),
        ("bottom", ((0.3, 0.05), (0.7, 0.05))),
    )
)
SIDE = 0.06 * math.sqrt(math.pi)  # of a box of radius 0.06


def body(name="ball", position=(0.5, 0.8), velocity=(0.0, 0.0), radius=0.06, shape="ball", **more):
    return Body(name=name, colour="red", shape=shape, radius=radius, position=position, velocity=velocity, **more)


def world(*bodies, fixtures=(), **more):
    attributes = Attributes(scenario="test", things=())
    return Scene(key="test", attributes=attributes, bodies=bodies, fixtures=tuple(fixtures), **more)


def stack(*offsets, **more):
    boxes = [
        body(f"box {index}", (0.5 + offset, 0.1 + SIDE * (index + 0.5)), shape="box")
        for index, offset in enumerate(offsets)
    ]
    return world(*boxes, fixtures=[FLOOR], **({"gravity": G, "friction": 0.6, "restitution": 0.1} | more))


def pour(count=16, fixtures=JAR):
    key = Key(1, "pour")
    discs = [
        body(
            f"disc {index}",
            (0.36 + 0.09 * (index % 4) + 0.01 * key.uniform(index), 0.9),
            radius=0.04,
            release=0.1 * index,
        )
        for index in range(count)
    ]
    # only one stands at the mouth at a time, so that none overlap
    discs = [replace(disc, position=(disc.position[0], 0.9 + 0.1 * index)) for index, disc in enumerate(discs)]
    return world(*discs, fixtures=fixtures, gravity=G, friction=0.4, restitution=0.3, seconds=4.0)


def fell(log):
    """How far the highest body has come from where it was put, in sides."""
    top = list(log.tracks)[-1]
    ends = log.tracks[top].at(np.array([0.0, log.scene.seconds])).position
    return float(np.linalg.norm(ends[1] - ends[0])) / SIDE


@pytest.mark.parametrize(("one", "other"), [(0.9, 0.4), (0.5, 0.5)])
def test_chipmunk_multiplies_the_two_shapes_elasticity_and_friction(one, other):
    found: list[tuple[float, float]] = []
    space = pymunk.Space()
    floor, shape = pymunk.Segment(space.static_body, (-9, 0), (9, 0), 0), pymunk.Circle(pymunk.Body(1, 1), 1)
    assert shape.body is not None
    shape.body.position, shape.body.velocity = (0, 0.999), (0, -1)
    floor.elasticity, shape.elasticity, floor.friction, shape.friction = one, other, one, other
    space.add(floor, shape, shape.body)
    space.on_collision(pre_solve=lambda arbiter, *_: found.append((arbiter.restitution, arbiter.friction)))
    space.step(1e-3)
    assert found == [(pytest.approx(one * other), pytest.approx(one * other))]
    assert shape.body.velocity.y == pytest.approx(one * other)


@pytest.mark.parametrize("e", [0.3, 0.8, 1.0])
def test_every_pair_has_the_scenes_restitution(e):
    log = rigid_bodies.simulate(
        world(
            body("one", (0.2, 0.5), (0.5, 0.0)),
            body("other", (0.6, 0.5), (-0.1, 0.0), radius=0.09),
            fixtures=[Fixture(name="wall", points=((-0.2, 0.0), (-0.2, 1.0)))],
            restitution=e,
        )
    )
    times = np.array([log.contacts[0].time - 0.02, log.contacts[0].time + 0.02])
    speeds = [log.tracks[name].at(times).velocity[:, 0] for name in ("one", "other")]
    # knots keep five decimals
    assert (speeds[1] - speeds[0])[1] == pytest.approx(e * 0.6, abs=1e-3)
    masses = [0.06**2, 0.09**2]
    moved = [masses[0] * speeds[0][i] + masses[1] * speeds[1][i] for i in (0, 1)]
    assert moved[1] == pytest.approx(moved[0], abs=1e-3 * masses[1])


def test_free_flight_is_on_the_parabola_at_any_sub_step_as_chipmunks_own_steps_are_not():
    scene = world(body(velocity=(0.3, 0.5)), gravity=G, seconds=1.0)
    times = np.linspace(0.0, 1.0, 21)
    exact = np.stack((0.5 + 0.3 * times, 0.8 + 0.5 * times - 0.5 * G * times**2), axis=1)
    for rate in (60, 360):
        found = rigid_bodies.simulate(scene, rate).tracks["ball"].at(times)
        assert np.abs(found.position - exact).max() < 2e-5  # knots keep five decimals
        assert 2 * np.polyfit(times, found.position[:, 1], 2)[0] == pytest.approx(-G, rel=1e-4)
    errors = []
    for rate in (60, 120, 240):
        space, plain = pymunk.Space(), pymunk.Body(1, 1)
        space.gravity, plain.position, plain.velocity = (0, -G), (0.5, 0.8), (0.3, 0.5)
        space.add(plain)
        for _ in range(rate):
            space.step(1 / rate)
        errors.append(abs(plain.position.y - exact[-1, 1]))
    # the control: Chipmunk's step by itself errs by g t dt / 2, of first order
    assert errors[0] == pytest.approx(G / 120, rel=1e-6)
    assert np.diff(np.log2(errors)) == pytest.approx([-1, -1], abs=0.01)


def test_a_blow_errs_by_no_more_than_its_speed_times_a_sub_step():
    scene = world(body(), fixtures=[FLOOR], gravity=G, restitution=0.8, seconds=1.5)
    speed = math.sqrt(2 * G * 0.64)
    time = speed / G
    for rate in (120, 480, 1920):
        log = rigid_bodies.simulate(scene, rate)
        assert log.contacts[0].time == pytest.approx(time, abs=0.1 / rate)
        assert log.contacts[0].speed == pytest.approx(speed, abs=G / rate)
        lowest = log.tracks["ball"].at(np.linspace(0.0, 1.5, 1501)).position[:, 1].min()
        assert 0.16 - speed / rate - 3e-4 < lowest < 0.16 + 1e-3
        top = log.tracks["ball"].at(np.linspace(time, 1.5, 501)).position[:, 1].max()
        assert top - 0.16 == pytest.approx(0.64 * 0.64, abs=1.5 * speed / rate + 3e-4)


def test_a_resting_stack_neither_sinks_nor_creeps():
    log = rigid_bodies.simulate(stack(0.0, 0.0, 0.0, 0.0, 0.0, seconds=5.0))
    for track in log.tracks.values():
        states = track.at(np.linspace(0.0, 5.0, 101))
        assert np.abs(states.position - states.position[0]).max() < 5e-4  # the slop and the curve's tolerance
        assert np.abs(states.rotation).max() < 1e-3


@pytest.mark.parametrize(("overhang", "stands"), [(0.0, True), (0.3, True), (0.45, True), (0.55, False), (0.8, False)])
def test_a_block_topples_if_more_than_half_of_it_hangs_over(overhang, stands):
    for side in (-1, 1):
        # the lower one is held by the floor; its edge is half a side from its middle
        log = rigid_bodies.simulate(stack(0.0, side * overhang * SIDE))
        assert (fell(log) < 0.01) == stands
        turned = log.tracks["box 1"].at(np.array([2.5])).rotation[0, 0]
        assert stands or turned * side < -0.5 or abs(turned) > 1.0


def test_the_balance_of_three_blocks_is_that_of_their_common_centre():
    # two upper ones at 0.3 and 0.6 of a side: their common centre is at 0.45, above the lowest one
    assert fell(rigid_bodies.simulate(stack(0.0, 0.3 * SIDE, 0.6 * SIDE))) < 0.02
    assert fell(rigid_bodies.simulate(stack(0.0, 0.4 * SIDE, 0.8 * SIDE))) > 0.5


def inside(log):
    """How many discs are in the jar at the end."""
    ends = [track.at(np.array([log.scene.seconds])).position[0] for track in log.tracks.values()]
    return sum(0.25 < x < 0.75 and 0.05 < y < 0.7 for x, y in ends)


def overlap(log):
    """The deepest that two discs ever overlap, in heights."""
    ways = np.stack([track.at(frame_times(97, 24.0)).position for track in log.tracks.values()])
    apart = np.linalg.norm(ways[:, None] - ways[None], axis=-1) + np.eye(len(ways))[:, :, None]
    return 0.08 - float(apart.min())


def test_what_is_poured_into_a_jar_stays_there_and_none_is_in_another():
    log = rigid_bodies.simulate(pour())
    assert inside(log) == len(log.tracks) == 16
    assert overlap(log) < 0.006  # a sub-step at the closing speed of some 2 heights a second
    still = [track.at(np.array([3.9, 4.0])).position for track in log.tracks.values()]
    assert max(np.abs(after - before).max() for before, after in still) < 0.01
    assert inside(rigid_bodies.simulate(pour(fixtures=JAR[1:]))) < 16  # the control: a jar without a side


def test_a_held_body_is_a_fixture_until_its_release():
    scene = world(
        body("above", (0.5, 0.9)),
        body("held", (0.5, 0.5), release=1.0, velocity=(0.3, 0.0)),
        gravity=G,
        restitution=0.5,
    )
    log = rigid_bodies.simulate(scene)
    states = log.tracks["held"].at(np.array([0.2, 0.999]))
    assert np.abs(states.position - [0.5, 0.5]).max() < 1e-5
    assert log.contacts[0].speed == pytest.approx(math.sqrt(2 * G * 0.28), abs=G / rigid_bodies.SUBSTEPS)
    alone = rigid_bodies.simulate(world(scene.bodies[1], gravity=G)).tracks["held"].at(np.array([1.0, 1.7]))
    # let go between two sub-steps too, it is on the exact parabola
    late = rigid_bodies.simulate(world(replace(scene.bodies[1], release=1.0013), gravity=G)).tracks["held"]
    assert alone.position[1] == pytest.approx([0.71, 0.5 - 0.49], abs=2e-5)
    assert late.at(np.array([1.7013])).position[0] == pytest.approx([0.71, 0.5 - 0.49], abs=2e-5)


def test_contacts_name_bodies_first_and_stand_in_time():
    log = rigid_bodies.simulate(pour(6))
    assert all(contact.first in log.tracks for contact in log.contacts)
    times = [contact.time for contact in log.contacts]
    assert times == sorted(times) and len(times) >= 6


@pytest.mark.usefixtures("forked")
def test_the_same_scene_gives_the_same_log_in_another_process_too():
    log = to_json(rigid_bodies.simulate(pour(4)).rounded())
    assert to_json(rigid_bodies.simulate(pour(4)).rounded()) == log
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_rigid_bodies as t, hashlib;"
        "print(hashlib.sha256(t.to_json(t.rigid_bodies.simulate(t.pour(4)).rounded()).encode()).hexdigest())"
    )
    found = run([sys.executable, "-c", code, __file__.rpartition("/")[0]], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == hashlib.sha256(log.encode()).hexdigest()


def test_dropped_knots_stay_within_the_tolerance_of_the_states():
    scene = pour(8)
    states = rigid_bodies._Simulation(scene, 4 * rigid_bodies.SUBSTEPS).run()
    log = rigid_bodies.simulate(scene)
    times = np.linspace(0.0, 4.0, states.shape[1])
    for way, track in zip(states, log.tracks.values(), strict=True):
        # the tolerance and the rounding to five decimals
        assert np.abs(track.at(times).position - way[:, :2]).max() < 3e-4 + 2e-5
    assert sum(len(track.knots) for track in log.tracks.values()) < states.shape[1]  # an eighth, at most

"""The exact engine against closed forms; each law is also shown to catch a world that breaks it."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from examples import examples
from framefall.noise import Key
from framefall.worlds.engines import analytic
from framefall.worlds.scene import Attributes, Body, Fixture, Scene
from framefall.worlds.state import StateLog, frame_times, to_json

G = 2.0


EXACT = 1e-9  # double precision over a few events leaves less


FLOOR = Fixture(name="floor", points=((-9.0, -1.0), (9.0, -1.0), (9.0, 0.1), (-9.0, 0.1)))


ROOM = tuple(
    Fixture(name=name, points=line, thickness=0.01)
    for name, line in (
        ("left", ((0.0, 0.0), (0.0, 1.0))),
        ("right", ((1.0, 0.0), (1.0, 1.0))),
        ("bottom", ((0.0, 0.0), (1.0, 0.0))),
        ("top", ((0.0, 1.0), (1.0, 1.0))),
    )
)


def ball(name="ball", position=(0.5, 0.8), velocity=(0.0, 0.0), radius=0.06, shape="ball", **more):
    return Body(name=name, colour="red", shape=shape, radius=radius, position=position, velocity=velocity, **more)


def world(*bodies, fixtures=(), **more):
    attributes = Attributes(scenario="test", things=())
    return Scene(key="test", attributes=attributes, bodies=bodies, fixtures=tuple(fixtures), **more)


def ramp(degrees, end=9.0):
    """A slope that falls to the right, through (0, 0.9)."""
    rise = math.tan(math.radians(degrees))
    top, low = (-1.0, 0.9 + rise), (end, 0.9 - end * rise)
    return Fixture(name="ramp", points=((-1.0, low[1] - 1), (end, low[1] - 1), low, top))


def on_ramp(degrees, shape="ball", radius=0.06, **more):
    tilt = math.radians(degrees)
    high = radius * (1.0 if shape == "ball" else math.sqrt(math.pi) / 2)
    place = (0.1 + high * math.sin(tilt), 0.9 - 0.1 * math.tan(tilt) + high * math.cos(tilt))
    return ball(position=place, shape=shape, radius=radius, angle=-tilt, **more)


def fitted(log, degree, axis, times, name="ball"):
    """Coefficients of the polynomial through the sampled positions, highest power first."""
    return np.polyfit(times, log.tracks[name].at(times).position[:, axis], degree)


def momentum_and_energy(log, time):
    momentum, energy = np.zeros(2), 0.0
    for body in log.scene.bodies:
        mass = body.density * math.pi * body.radius**2
        state = log.tracks[body.name].at(np.array([time]))
        momentum += mass * state.velocity[0]
        energy += mass * (0.5 * state.velocity[0] @ state.velocity[0] + log.scene.gravity * state.position[0, 1])
    return momentum, energy


def restitution_errors(log):
    """Over all blows of two bodies: speed apart minus e times speed together, from the tracks alone."""
    errors, e = [], log.scene.restitution
    for contact in log.contacts:
        if contact.second in log.tracks:
            # the two knots at the blow: the contact's time is rounded to 1e-7, and nothing else is that near
            (p, v, w), (q, x, y) = (blow(log.tracks[name], contact.time) for name in (contact.first, contact.second))
            normal = (p - q) / np.linalg.norm(p - q)
            before, after = (v - x) @ normal, (w - y) @ normal
            errors.append(abs(after + e * before))
            assert -before == pytest.approx(contact.speed, abs=1e-7)  # it is rounded to that
    return errors


def blow(track, time):
    """Where a body is struck, and its velocities before and after."""
    before, after = (np.array(knot) for knot in track.knots if abs(knot[0] - time) < 1e-7)
    return before[1:3], before[3:5], after[3:5]


def two(e=0.8, heavy=3.0):
    return world(
        ball("one", (0.2, 0.5), (0.5, 0.02)),
        ball("other", (0.7, 0.54), (-0.1, 0.0), radius=0.1, density=heavy),
        restitution=e,
    )


def billiards():
    places = ((0.2, 0.2, 0.9, 0.4), (0.5, 0.55, -0.3, 0.7), (0.8, 0.3, -0.6, 0.1), (0.3, 0.8, 0.2, -0.8))
    bodies = [
        ball(f"ball {index}", (x, y), (vx, vy), radius=0.05 + 0.012 * index)
        for index, (x, y, vx, vy) in enumerate(places)
    ]
    return world(*bodies, fixtures=ROOM, seconds=5.0)


def falls_with(log, g):
    """Whether the first 0.5 s are free fall with `g`."""
    a, b, _ = fitted(log, 2, 1, np.linspace(0.0, 0.5, 13))
    return abs(2 * a + g) < EXACT and abs(b) < EXACT


def test_a_dropped_ball_falls_with_g_and_another_g_is_noticed():
    scene = world(ball(), fixtures=[FLOOR], gravity=G)
    assert falls_with(analytic.simulate(scene), G)
    assert not falls_with(analytic.simulate(replace(scene, gravity=1.001 * G)), G)


def bounces_with(log, e):
    """Whether the heights between the logged bounces fall by e^2."""
    times = [contact.time for contact in log.contacts]
    tops = [log.tracks["ball"].at(np.linspace(a, b, 2001)).position[:, 1].max() - 0.16 for a, b in pairwise(times)]
    # the top is met within 1/4000 of a hop: a part in 16 million of its height
    return len(tops) > 3 and all(abs(b / a - e**2) < 1e-6 for a, b in pairwise(tops))


@pytest.mark.parametrize("e", [0.5, 0.7, 0.9])
def test_bounces_lose_a_share_of_height_that_is_the_square_of_restitution(e):
    scene = world(ball(), fixtures=[FLOOR], gravity=G, restitution=e, seconds=8.0 if e > 0.8 else 5.0)
    log = analytic.simulate(replace(scene, gravity=6.0))
    assert bounces_with(log, e)
    assert not bounces_with(log, e + 0.01)


def test_an_elastic_ball_bounces_for_ever_and_a_dull_one_comes_to_rest_without_sinking():
    scene = world(ball(), fixtures=[FLOOR], gravity=G, restitution=1.0, seconds=60.0)
    log = analytic.simulate(scene)
    energies = [momentum_and_energy(log, time)[1] for time in np.linspace(0, 60, 100)]
    assert np.ptp(energies) < 1e-9 * max(energies)
    dull = analytic.simulate(replace(scene, restitution=0.6))
    rest = dull.tracks["ball"].at(np.linspace(10, 60, 50))
    assert np.abs(rest.position[:, 1] - 0.16).max() < EXACT and np.abs(rest.velocity).max() == 0
    loss = [momentum_and_energy(dull, time)[1] for time in np.linspace(0, 60, 100)]
    assert np.ptp(loss) > 0.5 * max(energies)  # the check of energy does see a loss


def test_the_hops_that_are_left_out_are_lower_than_a_fortieth_of_a_pixel():
    log = analytic.simulate(world(ball(), fixtures=[FLOOR], gravity=G, restitution=0.8, seconds=9.0))
    last, rest = log.contacts[-2], log.contacts[-1]
    assert (0.8 * last.speed) ** 2 / (2 * G) > analytic.HOP > (0.8 * rest.speed) ** 2 / (2 * G)


def keeps_momentum(log):
    before, after = (momentum_and_energy(log, time)[0] for time in (0.0, 2.5))
    return np.abs(after - before).max() < EXACT


@pytest.mark.parametrize("e", [0.0, 0.6, 1.0])
def test_a_collision_keeps_momentum_and_parts_with_e_times_the_speed(e):
    log = analytic.simulate(two(e))
    assert len(log.contacts) == 1 and keeps_momentum(log)
    assert max(restitution_errors(log)) < EXACT
    assert max(restitution_errors(replace(log, scene=two(e + 0.01)))) > 1e-3
    lied = replace(log, scene=two(e, heavy=3.1))  # the same motion, said to be of other masses
    assert not keeps_momentum(lied)


def test_an_elastic_collision_keeps_energy_and_a_dull_one_does_not():
    for e, kept in ((1.0, True), (0.9, False)):
        log = analytic.simulate(two(e))
        energies = [momentum_and_energy(log, time)[1] for time in (0.0, 2.5)]
        assert (abs(energies[1] - energies[0]) < EXACT) == kept


def test_discs_that_miss_by_little_do_not_touch():
    for offset, hits in ((0.1199, 1), (0.1201, 0)):
        log = analytic.simulate(world(ball("one", (0.2, 0.5), (0.5, 0.0)), ball("other", (0.7, 0.5 + offset))))
        assert len(log.contacts) == hits


def test_billiards_keep_energy_and_change_momentum_at_walls_only():
    log = analytic.simulate(billiards())
    assert sum(contact.second in log.tracks for contact in log.contacts) >= 3
    assert max(restitution_errors(log)) < EXACT
    start = momentum_and_energy(log, 0.0)[1]
    for contact in log.contacts:
        (p, energy), (q, later) = (momentum_and_energy(log, contact.time + shift) for shift in (-1e-6, 1e-6))
        assert energy == pytest.approx(start, rel=1e-9) and later == pytest.approx(start, rel=1e-9)
        kept = np.abs(q - p) < EXACT
        assert kept.all() == (contact.second in log.tracks)
    for body in log.scene.bodies:
        inside = log.tracks[body.name].at(frame_times(121, 24.0)).position
        assert (inside > 0.01 + body.radius - EXACT).all() and (inside < 0.99 - body.radius + EXACT).all()


def test_the_contacts_are_the_jumps_of_velocity():
    log = analytic.simulate(billiards())
    for body in log.scene.bodies:
        knots = log.tracks[body.name].knots
        jumps = [a[0] for a, b in pairwise(knots) if a[0] == b[0] and a[3:5] != b[3:5]]
        told = [contact.time for contact in log.contacts if body.name in (contact.first, contact.second)]
        assert len(jumps) == len(told) > 0
        assert np.abs(np.array(jumps) - told).max() < 1e-7  # the contacts' times are rounded to that


def hanging(degrees, length=0.4, **more):
    tilt = math.radians(degrees)
    place = (0.5 + length * math.sin(tilt), 0.6 - length * math.cos(tilt))
    return ball(position=place, pivot=(0.5, 0.6), **more)


@pytest.mark.parametrize(("degrees", "friction"), [(20, 0.0), (30, 0.2), (40, 0.5)])
def test_a_block_slides_down_a_ramp_with_g_times_sine_less_friction(degrees, friction):
    scene = world(on_ramp(degrees, "box"), fixtures=[ramp(degrees)], gravity=G, friction=friction)
    log, tilt, times = analytic.simulate(scene), math.radians(degrees), np.linspace(0, 2.5, 30)
    a = 2 * fitted(log, 2, 0, times)[0] / math.cos(tilt)
    assert a == pytest.approx(G * (math.sin(tilt) - friction * math.cos(tilt)), abs=EXACT)
    assert a != pytest.approx(G * (math.sin(tilt) - (friction + 0.01) * math.cos(tilt)), abs=1e-3)
    assert np.ptp(log.tracks["ball"].at(times).rotation) == 0


def test_a_block_stays_where_friction_holds_it():
    scene = world(on_ramp(20, "box"), fixtures=[ramp(20)], gravity=G, friction=math.tan(math.radians(20)) + 1e-3)
    assert np.ptp(analytic.simulate(scene).tracks["ball"].at(np.linspace(0, 2.5, 9)).position, axis=0).max() == 0


@pytest.mark.parametrize(("friction", "rolls"), [(0.5, True), (0.1, False)])
def test_a_ball_rolls_with_two_thirds_of_the_pull_or_slips_if_friction_is_small(friction, rolls):
    tilt, times = math.radians(30), np.linspace(0, 2.5, 30)
    log = analytic.simulate(world(on_ramp(30), fixtures=[ramp(30)], gravity=G, friction=friction))
    a = 2 * fitted(log, 2, 0, times)[0] / math.cos(tilt)
    expected = G * 2 / 3 * math.sin(tilt) if rolls else G * (math.sin(tilt) - friction * math.cos(tilt))
    assert a == pytest.approx(expected, abs=EXACT)
    state = log.tracks["ball"].at(times)
    slip = np.hypot(*state.velocity.T) + state.spin[:, 0] * 0.06
    assert (np.abs(slip).max() < EXACT) == rolls


def test_a_ball_that_slides_begins_to_roll_at_two_thirds_of_its_speed():
    scene = world(ball(position=(0.2, 0.16), velocity=(0.6, 0.0)), fixtures=[FLOOR], gravity=G, friction=0.2)
    state = analytic.simulate(scene).tracks["ball"].at(np.array([0.0, 2.5]))
    assert state.velocity[:, 0] == pytest.approx([0.6, 0.4], abs=EXACT)
    assert state.spin[1, 0] == pytest.approx(-0.4 / 0.06, abs=1e-7)


def test_a_ball_flies_off_the_end_of_a_ramp():
    scene = world(on_ramp(30), fixtures=[ramp(30, end=0.6)], gravity=G, friction=0.5)
    log, tilt = analytic.simulate(scene), math.radians(30)
    # it has come 0.5 / cos(30) down the ramp
    way, a = 0.5 / math.cos(tilt), G * 2 / 3 * math.sin(tilt)
    leaves, speed = math.sqrt(2 * way / a), math.sqrt(2 * way * a)
    flight = np.linspace(leaves, 2.5, 20)
    assert fitted(log, 1, 0, flight)[0] == pytest.approx(speed * math.cos(tilt), abs=1e-8)
    assert 2 * fitted(log, 2, 1, flight)[0] == pytest.approx(-G, abs=1e-7)
    assert np.ptp(log.tracks["ball"].at(flight).spin) < EXACT


def test_a_projectile_comes_down_at_its_range():
    scene = world(ball(position=(0.1, 0.16), velocity=(0.4, 1.2)), fixtures=[FLOOR], gravity=G)
    log = analytic.simulate(scene)
    assert log.contacts[0].time == pytest.approx(2 * 1.2 / G, abs=1e-7)
    place = log.tracks["ball"].at(np.array([2 * 1.2 / G])).position[0, 0]
    assert place == pytest.approx(0.1 + 2 * 0.4 * 1.2 / G, abs=EXACT)


def test_boxes_meet_on_a_line_and_exchange_their_velocities():
    one, other = (
        ball(name, (x, 0.5), (v, 0.0), shape="box") for name, x, v in (("one", 0.2, 0.4), ("other", 0.8, -0.1))
    )
    log = analytic.simulate(world(one, other))
    side = 0.06 * math.sqrt(math.pi)
    assert log.contacts[0].time == pytest.approx((0.6 - side) / 0.5, abs=1e-7)
    ends = [log.tracks[name].at(np.array([2.5])).velocity[0] for name in ("one", "other")]
    assert ends == [pytest.approx([-0.1, 0]), pytest.approx([0.4, 0])]


def test_a_resting_ball_is_struck_and_stays_on_the_floor():
    scene = world(
        ball("one", (0.2, 0.16), (0.5, 0.0)), ball("other", (0.6, 0.16)), fixtures=[FLOOR], gravity=G, restitution=0.5
    )
    log = analytic.simulate(scene)
    states = [log.tracks[name].at(np.array([2.5])) for name in ("one", "other")]
    assert [s.position[0, 1] for s in states] == pytest.approx([0.16, 0.16], abs=EXACT)
    assert [s.velocity[0, 0] for s in states] == pytest.approx([0.125, 0.375], abs=EXACT)


def test_a_ball_meets_a_rolling_one_although_they_do_not_fall_alike():
    scene = world(
        ball("one", (0.7, 0.9), (0.0, 0.0)), ball("other", (0.35, 0.16), (0.4, 0.0)), fixtures=[FLOOR], gravity=G
    )
    blow = next(contact for contact in analytic.simulate(scene).contacts if contact.second == "one")
    # both ways are known: they touch when their centres are two radii apart
    gap = np.hypot(0.7 - 0.35 - 0.4 * blow.time, 0.9 - 0.5 * G * blow.time**2 - 0.16)
    assert gap == pytest.approx(0.12, abs=1e-6)


def test_a_body_is_held_until_its_release():
    log = analytic.simulate(world(ball(velocity=(0.3, 0.0), release=0.5), gravity=G))
    state = log.tracks["ball"].at(np.array([0.25, 0.4999, 1.0]))
    assert state.position == pytest.approx(np.array([[0.5, 0.8], [0.5, 0.8], [0.65, 0.8 - 0.25]]), abs=EXACT)
    swing = analytic.simulate(world(hanging(40, release=0.5), gravity=G)).tracks["ball"]
    free = analytic.simulate(world(hanging(40), gravity=G)).tracks["ball"]
    assert swing.at(np.array([1.5])).position == pytest.approx(free.at(np.array([1.0])).position, abs=2e-6)


def test_logs_are_short_end_with_the_scene_and_come_out_the_same_twice():
    for scene in (two(), billiards(), world(hanging(40), gravity=G)):
        log = analytic.simulate(scene)
        assert log == analytic.simulate(scene)
        assert all(track.knots[0][0] == 0 and track.knots[-1][0] == scene.seconds for track in log.tracks.values())
    short: StateLog = analytic.simulate(two())
    assert len(to_json(short.rounded())) < 4096


@pytest.mark.parametrize(
    ("scene", "why"),
    [
        (world(ball("one", shape="box", velocity=(0.2, 0.0)), ball("other", (0.8, 0.83), shape="box")), "off a centre"),
        (world(ball(angle=0.3, shape="box"), fixtures=[FLOOR], gravity=G), "off a centre"),
        (world(ball(spin=1.0, shape="box"), fixtures=[FLOOR], gravity=G), "corner"),
        (
            world(hanging(80), fixtures=[replace(FLOOR, points=((0.4, 0.0), (0.6, 0.0), (0.5, 0.3)))], gravity=G),
            "swings",
        ),
        (world(hanging(80), ball("other", (2.0, 0.5)), gravity=G), "swings"),
        (world(on_ramp(30, "box"), fixtures=[ramp(30, end=0.5)], gravity=G), "tips"),
        (world(ball(), ball("under", (0.5, 0.16)), fixtures=[FLOOR], gravity=G, restitution=0.1), "rest on"),
        (world(ball("one", (0.5, 0.2)), fixtures=[FLOOR], gravity=G), None),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_sentence_that_names_pymunk(scene, why):
    if why is None:
        analytic.simulate(scene)
        return
    with pytest.raises(ValueError, match=why) as caught:
        analytic.simulate(scene)
    assert "pymunk" in str(caught.value) and "\n" not in str(caught.value)


def test_a_body_inside_the_floor_at_the_start_is_refused():
    with pytest.raises(ValueError, match=r"overlap.*0\.0100 in floor"):
        analytic.simulate(world(ball(position=(0.5, 0.15)), fixtures=[FLOOR], gravity=G))


def deepest(log, grown=0.0):
    """The deepest overlap of any two things at 200 moments, if bodies were larger by `grown`; below 0 is a gap."""
    times, deep = np.linspace(0.0, log.scene.seconds, 200), -math.inf
    ways = {body.name: log.tracks[body.name].at(times).position for body in log.scene.bodies}
    for index, body in enumerate(log.scene.bodies):
        wall = 0.01 + body.radius + grown
        deep = max(deep, float((wall - ways[body.name]).max()), float((ways[body.name] - 1 + wall).max()))
        for other in log.scene.bodies[:index]:
            apart = np.linalg.norm(ways[body.name] - ways[other.name], axis=1)
            deep = max(deep, float((body.radius + other.radius + grown - apart).max()))
    return deep


def test_nothing_ever_overlaps_in_rooms_full_of_discs_that_fall_roll_and_collide():
    done = 0
    for index in range(examples(20, 40)):
        key = Key(index, "room")
        discs = [
            ball(
                f"ball {k}",
                (0.2 + 0.3 * (k % 3) + 0.05 * key.uniform(k, 0), 0.3 + 0.35 * (k // 3) + 0.1 * key.uniform(k, 1)),
                (2 * key.uniform(k, 2) - 1, 2 * key.uniform(k, 3) - 1),
                radius=0.05 + 0.05 * key.uniform(k, 4),
                release=0.3 * key.integer(2, k, 5),
            )
            for k in range(1 + key.integer(5, 6))
        ]
        choice = {"gravity": 2.0 * key.integer(2, 7), "restitution": (0.5, 0.9, 1.0)[key.integer(3, 8)]}
        try:
            log = analytic.simulate(world(*discs, fixtures=ROOM, friction=0.3, **choice))
        except ValueError as refused:  # one comes to rest on another: that is allowed to be refused, and only that
            assert "comes to rest on" in str(refused)
            continue
        done += 1
        assert deepest(log) < 1e-7  # places are exact to some 1e-9 after a hundred events
        # the control; a touch is at most 1/160 s from a moment that is looked at, at less than 3 heights a second
        assert deepest(log, grown=0.02) > 0 or not log.contacts
    assert done > examples(12, 25)

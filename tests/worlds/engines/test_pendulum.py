"""The pendulum against Gauss's period, the energy and the equation of motion."""

import math

import numpy as np
import pytest

from framefall.worlds.engines import analytic
from framefall.worlds.scene import Attributes, Body, Scene

G = 2.0


def ball(name="ball", position=(0.5, 0.8), velocity=(0.0, 0.0), radius=0.06, shape="ball", **more):
    return Body(name=name, colour="red", shape=shape, radius=radius, position=position, velocity=velocity, **more)


def world(*bodies, fixtures=(), **more):
    attributes = Attributes(scenario="test", things=())
    return Scene(key="test", attributes=attributes, bodies=bodies, fixtures=tuple(fixtures), **more)


def exact_period(length, gravity, amplitude):
    """2 pi sqrt(l / g) over the arithmetic-geometric mean of 1 and cos(amplitude / 2) (Gauss)."""
    a, b = 1.0, math.cos(amplitude / 2)
    while abs(a - b) > 1e-15:
        a, b = (a + b) / 2, math.sqrt(a * b)
    return 2 * math.pi * math.sqrt(length / gravity) / a


def hanging(degrees, length=0.4, **more):
    tilt = math.radians(degrees)
    place = (0.5 + length * math.sin(tilt), 0.6 - length * math.cos(tilt))
    return ball(position=place, pivot=(0.5, 0.6), **more)


@pytest.mark.parametrize("degrees", [10, 45, 90, 130, 150])
def test_a_pendulum_swings_with_the_exact_period_on_a_rod_of_one_length(degrees):
    scene = world(hanging(degrees), gravity=G, seconds=8.0)
    track = analytic.simulate(scene).tracks["ball"]
    times = np.linspace(0, 8, 2001)
    state = track.at(times)
    # it stands still at the turn, half a period on; the curve's own error is 1e-6 heights
    period = exact_period(0.4, G, math.radians(degrees))
    back = track.at(np.array([0.0, period / 2, period]))
    mirrored = back.position * np.array([1, 1]) - np.array([0.5, 0.6])
    assert np.abs(mirrored[1] - mirrored[0] * np.array([-1, 1])).max() < 2e-6
    assert np.abs(mirrored[2] - mirrored[0]).max() < 2e-6
    quarter = track.at(np.array([period / 4])).position[0]
    assert quarter == pytest.approx([0.5, 0.2], abs=2e-6)
    wrong = track.at(np.array([exact_period(0.4, 1.001 * G, math.radians(degrees)) / 4])).position[0]
    assert abs(wrong[0] - 0.5) > 1e-5
    rod = np.hypot(*(state.position - np.array([0.5, 0.6])).T)
    assert np.abs(rod - 0.4).max() < 1e-6
    energy = 0.5 * (state.velocity**2).sum(axis=1) + G * state.position[:, 1]
    assert np.ptp(energy) < 2e-4  # of about 1: the curve's slope errs by its error over a knot's distance, some 1e-4
    along = np.arctan2(state.position[:, 0] - 0.5, 0.6 - state.position[:, 1])
    assert np.abs(state.rotation[:, 0] - (along - along[0])).max() < 2e-5  # 1e-6 of a bob's radius


@pytest.mark.parametrize("speed", [0.5, -0.9, 2.2, -2.2, 4.0])
def test_a_pushed_pendulum_keeps_its_energy_whether_it_swings_or_goes_round(speed):
    tilt = math.radians(30)
    push = (speed * math.cos(tilt), speed * math.sin(tilt))
    track = analytic.simulate(world(hanging(30, velocity=push), gravity=G)).tracks["ball"]
    state = track.at(np.linspace(0, 2.5, 500))
    assert track.at(np.array([0.0])).velocity[0] == pytest.approx(push, abs=1e-9)
    energy = 0.5 * (state.velocity**2).sum(axis=1) + G * state.position[:, 1]
    assert np.ptp(energy) < 1e-3 * max(1.0, speed**2)
    # and the equation of motion itself, q'' = -g / l sin q, by central differences
    inner = np.linspace(0.1, 2.4, 50)
    q = [track.at(inner + shift).rotation[:, 0] + tilt for shift in (-0.01, 0.0, 0.01)]
    assert np.abs((q[0] - 2 * q[1] + q[2]) / 1e-4 + G / 0.4 * np.sin(q[1])).max() < 0.4  # of 5; error 1e-5 / 1e-4

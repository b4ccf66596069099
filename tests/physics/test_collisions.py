"""Momentum, energy and solidity in blows between two objects."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from examples import examples
from framefall.noise import Key
from framefall.physics.collisions import energy, momentum
from framefall.physics.evidence import gather
from framefall.physics.laws import LAWS, laws
from framefall.physics.truth import Truth, ideal_tracks
from framefall.tracking.trajectory import Tracks, Trajectory
from framefall.worlds.state import StateLog
from framefall.worlds.violations.registry import break_physics

Clip = Callable[..., tuple[StateLog, Truth]]


def test_an_elastic_collision_run_backwards_is_physics_and_a_lossy_one_is_not(clip: Clip) -> None:
    elastic = lossy = 0
    for index in range(8):
        log, truth = clip("collision", index)
        if log.scene.restitution == 1.0 and elastic == examples(1, 8):
            continue
        if log.scene.restitution < 1.0 and lossy == examples(1, 8):
            continue
        scores = laws(_backwards(truth.ideal), _reversed(truth))
        if log.scene.restitution == 1.0:
            elastic += 1
            for name in ("restitution", "momentum", "energy", "solidity", "continuity", "permanence"):
                assert LAWS[name].error(scores[name].value) < 0.02, (index, name, scores[name])
        elif log.scene.restitution < 0.9:
            lossy += 1
            assert scores["restitution"].value > 0.1
            assert scores["momentum"].value < 0.02  # momentum does not know which way time goes
    assert elastic
    assert lossy


def _backwards(tracks: Tracks) -> Tracks:
    def turn(one: Trajectory) -> Trajectory:
        return Trajectory(
            frames=tracks.frames - 1 - one.frames[::-1],
            position=one.position[::-1] + tracks.camera[one.frames[::-1]],
            area=one.area[::-1],
            colour=one.colour[::-1],
            shape=one.shape[::-1],
            whole=one.whole[::-1],
        )

    still = np.zeros((0, 2))
    return replace(tracks, objects=tuple(turn(one) for one in tracks.objects), events=(), camera=still)


def _reversed(truth: Truth) -> Truth:
    """The scene of the same clip run backwards: physical if its restitution is 1."""
    last = (truth.frames - 1) / truth.fps
    bodies = tuple(
        replace(
            body,
            position=body.position[::-1],
            velocity=-body.velocity[::-1],
            visible=body.visible[::-1],
            contact_times=tuple(last - time for time in body.contact_times[::-1]),
        )
        for body in truth.bodies
    )
    return replace(truth, bodies=bodies, ideal=_backwards(truth.ideal), camera=np.zeros_like(truth.camera))


def apart(truth: Truth, log: StateLog, name: str) -> Tracks:
    twin = break_physics(log, name, Key(0, "test"))
    return ideal_tracks(twin, truth.frames, truth.fps, 64, 64)


def test_a_push_from_nowhere_breaks_momentum_and_a_superball_energy_alone(clip: Clip) -> None:
    log, truth = clip("collision", 0)
    names = ("momentum", "energy")
    valid = laws(truth.ideal, truth, names=names)
    broken = laws(apart(truth, log, "momentum_break"), truth, names=names)
    elastic = laws(apart(truth, log, "superball"), truth, names=names)
    assert valid["momentum"].value < 0.01 and valid["energy"].value < 0.02
    assert broken["momentum"].value > 0.1
    assert elastic["momentum"].value < 0.01 and elastic["energy"].value > 0.1


def test_what_overlaps_is_as_deep_as_it_is(clip: Clip) -> None:
    _, truth = clip("collision", 0)
    one, two = truth.ideal.objects
    smaller = min(body.radius for body in truth.bodies)
    middle = truth.frames // 2
    both = np.intersect1d(one.frames[one.whole], two.frames[two.whole])
    frame = int(both[np.abs(both - middle).argmin()])
    place, other = (each.position[each.frames == frame][0] for each in (one, two))
    near = sum(body.radius for body in truth.bodies) - 0.8 * smaller
    away = place + near * (other - place) / np.linalg.norm(other - place)
    moved = replace(two, position=np.where((two.frames == frame)[:, None], away, two.position))
    deep = laws(replace(truth.ideal, objects=(one, moved)), truth, names=("solidity",))["solidity"].value
    assert deep == pytest.approx(0.8, abs=0.02)
    assert laws(truth.ideal, truth, names=("solidity",))["solidity"].value < 0.2
    through = laws(apart(truth, clip("collision", 0)[0], "pass_through"), truth, names=("solidity",))
    assert through["solidity"].value > 0.5


def test_who_meets_nobody_has_nothing_to_keep(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    assert np.isnan(momentum(gather(truth.ideal, truth))[0]) and np.isnan(energy(gather(truth.ideal, truth))[0])

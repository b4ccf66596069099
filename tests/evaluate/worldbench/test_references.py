"""Predictors that know little, against what they must and must not be able to say."""

import numpy as np
import pytest

from framefall.evaluate.worldbench.references import TRIVIAL, Memory, constant_acceleration, copy_last, inertia
from framefall.worlds.engines.registry import simulate
from framefall.worlds.scene import Attributes, Body, Fixture, Scene, Thing
from framefall.worlds.state import StateLog, frame_times

GIVEN = frame_times(3, 6.0)
LATER = frame_times(5, 6.0, 3)


def scene(
    *, colour: str = "red", velocity: tuple[float, float] = (0.3, 0.0), gravity: float = 0.0, x: float = 0.1
) -> Scene:
    floor = Fixture(name="floor", points=((-1.0, -0.2), (2.0, -0.2), (2.0, 0.0), (-1.0, 0.0)))
    return Scene(
        key=f"{colour}{x}",
        attributes=Attributes(scenario="uniform", things=(Thing(colour, "ball", "medium"),)),
        bodies=(Body(name="body0", colour=colour, shape="ball", radius=0.08, position=(x, 0.9), velocity=velocity),),
        fixtures=(floor,),
        gravity=gravity,
        seconds=2.5,
    )


def error(predicted: StateLog, truth: StateLog, times: np.ndarray = LATER) -> float:
    ours, theirs = predicted.tracks["body0"].at(times), truth.tracks["body0"].at(times)
    return float(np.abs(ours.position - theirs.position).max())


@pytest.mark.parametrize("name", TRIVIAL)
def test_the_given_frames_are_as_they_were(name: str) -> None:
    truth = simulate(scene(gravity=1.5))
    assert error(TRIVIAL[name](truth, GIVEN), truth, GIVEN) < 1e-6


def test_inertia_knows_uniform_motion_and_no_gravity() -> None:
    assert error(inertia(simulate(scene()), GIVEN), simulate(scene())) < 1e-6
    assert error(inertia(simulate(scene(gravity=1.0)), GIVEN), simulate(scene(gravity=1.0))) > 0.1


def test_constant_acceleration_knows_free_fall_and_no_bounce() -> None:
    log = simulate(scene(gravity=1.0))
    assert error(constant_acceleration(log, GIVEN), log) < 1e-6  # it lands after 1.28 s
    assert error(constant_acceleration(log, GIVEN), log, np.array([2.0])) > 0.1


def test_copying_the_last_frame_stands_still() -> None:
    copied = copy_last(simulate(scene()), GIVEN).tracks["body0"].at(LATER)
    assert np.ptp(copied.position, axis=0).max() == 0
    assert np.abs(copied.velocity).max() == 0


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 frames"):
        constant_acceleration(simulate(scene()), GIVEN[:2])


def test_memory_gives_back_what_it_has_seen_and_the_nearest_of_what_it_has_not() -> None:
    known = [simulate(scene(x=x, colour=colour)) for x in (0.1, 0.3) for colour in ("red", "blue")]
    memory = Memory(tuple(known))
    for log in known:
        assert memory.nearest(log, GIVEN) is log
    near = memory.nearest(simulate(scene(x=0.28, colour="blue")), GIVEN)
    assert near.scene.bodies[0].colour == "blue"
    assert near.scene.bodies[0].position[0] == 0.3

"""MuJoCo's promises: gravity, about the restitution, momentum, rest; and none without MuJoCo."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from solid_scenes import drawn, falling, scene, solid

from examples import examples
from framefall.worlds.engines import solids as engine
from framefall.worlds.engines.registry import simulate
from framefall.worlds.render import solids
from framefall.worlds.render.renderer import View
from framefall.worlds.scenarios.solids import draw_solid, half_height
from framefall.worlds.scene import SOLIDS, Body
from framefall.worlds.state import to_json
from framefall.worlds.world import open_world


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
    times = np.linspace(0.0, 1.2, 300)
    state = log.tracks["a"].at(times)
    energy = (state.velocity**2).sum(axis=1) / 2 + 1.5 * state.position[:, 2]
    assert energy.max() < energy[0] * 1.005
    up = state.velocity[:, 2].max() / first.speed
    assert up == pytest.approx(0.5, abs=0.12)  # soft contacts promise no more


@pytest.mark.parametrize("shape", SOLIDS)
def test_a_solid_comes_to_rest_on_the_floor(shape: str) -> None:
    resting = solid(shape, 0.5, 0.0, half_height(shape, 0.09))
    log = simulate(scene(resting, gravity=2.0, friction=0.5, restitution=0.1, seconds=float(examples(1, 3))))
    state = log.tracks["a"].at(np.linspace(0, log.scene.seconds, 50))
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


def test_the_same_scene_gives_the_same_log() -> None:
    body = solid("cube", 0.5, 0.0, 0.4, spin=1.0)
    one, two, other = (
        simulate(scene(body, gravity=gravity, restitution=0.5, friction=0.4, seconds=0.9))
        for gravity in (2.0, 2.0, 2.01)
    )
    assert to_json(one) == to_json(two)
    assert one.tracks != other.tracks


def test_without_mujoco_everything_flat_works_and_depth_asks_for_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert open_world("fall").log(0).contacts
    with pytest.raises(ValueError) as refusal:
        simulate(open_world("solid_fall").scene(0))
    assert str(refusal.value) == "scenes with depth need MuJoCo; install it with: pip install 'framefall[physics3d]'"
    # nor does any module ask for it when it is imported
    package = Path(engine.__file__).parents[2]
    imports = [
        line for path in package.rglob("*.py") for line in path.read_text().splitlines() if "import mujoco" in line
    ]
    assert imports and all(line.startswith("    ") for line in imports)


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

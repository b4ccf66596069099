"""The engine for solids in three dimensions: MuJoCo (the extra `physics3d`), simulated once.

What MuJoCo cannot promise: its contacts are soft. A solid sinks into what it meets for some milliseconds (by about
v / 450 heights here), restitution is no constant of the model but comes of a spring and a damper that are set so
that a head-on blow has about the scene's (0.03 to 0.1 more is measured for 0.4, and anything in a blow off the
centre), a resting solid lies a little deep, and friction creeps. Exact restitution and momentum belong to the analytic
engine.

Axes and units are those of `scenarios/solids.py`. A track's knots have 14 numbers: time, place, velocity, unit
quaternion (w, x, y, z) and spin about the world's three axes.
"""

import math
import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from framefall.worlds.scenarios.solids import BOARD, CUBE, CYLINDER
from framefall.worlds.scene import Body, Scene, rgb
from framefall.worlds.state import Contact, StateLog, Track

STEP = 0.0005  # seconds: a fourteenth of the time that a blow lasts
STIFFNESS = 2.0e5  # per second squared, of a contact's spring on a unit mass
DISTANCE = 3.2  # heights, from the camera to the middle
APART = 0.1  # seconds without touch after which a touch is a new contact
_ERROR = (3e-4, 0.05, 4e-3)  # heights, heights a second and radians by which a track may leave the simulation
_BEADS, _BEAD = 16, 0.002  # on each rim of a cylinder, and their radius in heights


def simulate(scene: Scene) -> StateLog:
    """What happens in a scene with depth, in fixed steps of half a millisecond."""
    mujoco = load_mujoco()
    model, data = build_model(scene, 8, 8)
    for index, body in enumerate(scene.bodies):
        data.qpos[7 * index : 7 * index + 7] = (
            *body.position,
            math.cos(body.angle / 2),
            0,
            0,
            math.sin(body.angle / 2),
        )
        data.qvel[6 * index : 6 * index + 6] = (*body.velocity, 0.0, 0.0, body.spin)
    count = round(scene.seconds / STEP)
    rows = np.empty((count + 1, len(scene.bodies), 13))
    names = ("floor", *(body.name for body in scene.bodies))
    contacts: list[Contact] = []
    last: dict[tuple[str, str], float] = {}
    for step in range(count + 1):
        mujoco.mj_forward(model, data)
        rows[step] = _states(data, len(scene.bodies))
        for index in range(data.ncon):
            contact = data.contact[index]
            first, second = _who_touch(model, contact, names)
            time = step * STEP
            if time - last.get((first, second), -math.inf) > APART:
                contacts.append(Contact(time, first, second, _closing(model, contact, rows[step])))
            last[first, second] = time
        mujoco.mj_step(model, data)
    times = np.arange(count + 1) * STEP
    tracks = {body.name: _thin(times, rows[:, index]) for index, body in enumerate(scene.bodies)}
    return StateLog(scene=scene, tracks=tracks, contacts=tuple(contacts))


def load_mujoco() -> ModuleType:
    """MuJoCo, or where to get it."""
    # a screen is not needed; set before the first import, for then MuJoCo chooses
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco
    except ImportError:
        raise ValueError("scenes with depth need MuJoCo; install it with: pip install 'framefall[physics3d]'") from None
    return mujoco


def build_model(scene: Scene, height: int, width: int) -> tuple[Any, Any]:
    """MuJoCo's model of a scene, for pictures up to a size, and its state."""
    if any(len(body.position) != 3 for body in scene.bodies):
        raise ValueError('MuJoCo needs a scene with depth, and this one is flat; use engine="analytic" or "pymunk"')
    mujoco = load_mujoco()
    rate = math.sqrt(STIFFNESS)
    loss = math.log(max(scene.restitution, 0.02)) if scene.restitution < 1 else 0.0
    damping = 2 * rate * -loss / math.hypot(math.pi, loss)  # a damped half swing leaves exp(loss) of the speed
    touch = f'solref="{-STIFFNESS} {-damping}" solimp="0.99 0.99 0.001" friction="{scene.friction} 0.001 0.0001"'
    bodies = "".join(f'<body name="{b.name}"><freejoint/>{_geom(b, touch)}</body>' for b in scene.bodies)
    bottom, top = (" ".join(map(str, colour)) for colour in (scene.backdrop.bottom, scene.backdrop.top))
    boards = "".join(_board(np.asarray(f.points), f.colour) for f in scene.fixtures if f.front)
    fovy = math.degrees(2 * math.atan(0.5 / DISTANCE))
    text = f"""<mujoco>
      <option timestep="{STEP}" gravity="0 0 {-scene.gravity}" cone="elliptic"/>
      <visual><quality shadowsize="512" offsamples="0"/><map znear="0.05" zfar="30"/>
        <global offwidth="{width}" offheight="{height}" fovy="{fovy}"/>
        <headlight ambient="0.45 0.45 0.45" diffuse="0.25 0.25 0.25" specular="0 0 0"/></visual>
      <statistic extent="1" center="0.5 0 0.4"/>
      <asset><texture type="skybox" builtin="gradient" rgb1="{top}" rgb2="{bottom}" width="64" height="64"/>
        <texture name="tiles" type="2d" builtin="checker" width="64" height="64"
          rgb1="0.62 0.62 0.62" rgb2="0.7 0.7 0.7"/>
        <material name="tiles" texture="tiles" texrepeat="4 4" texuniform="true" specular="0"/></asset>
      <worldbody><light name="light" directional="true" diffuse="0.5 0.5 0.5" specular="0.1 0.1 0.1" dir="0 0 -1"/>
        <geom name="floor" type="plane" size="8 8 0.1" material="tiles" contype="1" conaffinity="0" {touch}/>
        {boards}{bodies}</worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(text)
    return model, mujoco.MjData(model)


def _geom(body: Body, touch: str) -> str:
    """A solid's form; bits 1 and 2 of the contact types stand for the floor and for other solids."""
    radius, size = body.radius, CYLINDER * body.radius
    kind, sizes, meets = {
        "sphere": ("sphere", f"{radius}", 3),
        "cube": ("box", f"{CUBE * radius} " * 3, 3),
        "cylinder": ("cylinder", f"{size} {size}", 2),
    }[body.shape]
    colour = " ".join(map(str, rgb(body.colour)))
    form = f'type="{kind}" size="{sizes}" rgba="{colour} 1" density="{body.density}" contype="2" conaffinity="{meets}"'
    rims = ""
    if body.shape == "cylinder":
        # MuJoCo's own cylinder and plane touch at other points in every step when it stands and turns, and that
        # throws it up; it stands on invisible beads along its rims instead
        turns = [2 * math.pi * bead / _BEADS for bead in range(_BEADS)]
        arm = size - _BEAD
        spots = [(arm * math.cos(turn), arm * math.sin(turn), end) for turn in turns for end in (-arm, arm)]
        bead = f'type="sphere" size="{_BEAD}" mass="0" group="3" contype="0" conaffinity="1"'
        rims = "".join(f'<geom {bead} pos="{x} {y} {z}" {touch}/>' for x, y, z in spots)
    return f'<geom name="{body.name}" {form} {touch}/>{rims}'


def _board(points: np.ndarray, colour: str) -> str:
    low, high = points.min(axis=0), points.max(axis=0)
    (x, z), (wide, tall) = (low + high) / 2, (high - low) / 2
    shade = " ".join(map(str, rgb(colour)))
    place = f'pos="{x} {BOARD} {z}" size="{wide} 0.01 {tall}"'
    return f'<geom type="box" {place} rgba="{shade} 1" contype="0" conaffinity="0"/>'


def _states(data: Any, count: int) -> np.ndarray:
    """Place, velocity, quaternion and spin about the world's axes of each body (MuJoCo's spin is about the body's)."""
    places, rates = data.qpos.reshape(count, 7), data.qvel.reshape(count, 6)
    turns = data.xmat[1 : 1 + count].reshape(count, 3, 3)
    spins = np.einsum("nij,nj->ni", turns, rates[:, 3:])
    return np.concatenate((places[:, :3], rates[:, :3], places[:, 3:], spins), axis=1)


def _who_touch(model: Any, contact: Any, names: Sequence[str]) -> tuple[str, str]:
    """The names of the two that touch, in their order, the floor's last."""
    first, second = sorted(
        (names[model.geom_bodyid[geom]] for geom in (contact.geom1, contact.geom2)),
        key=lambda name: (name == "floor", name),
    )
    return first, second


def _closing(model: Any, contact: Any, rows: np.ndarray) -> float:
    """How fast two that touch come together there."""
    speed = 0.0
    for sign, geom in ((1.0, contact.geom1), (-1.0, contact.geom2)):
        if body := model.geom_bodyid[geom]:
            row = rows[body - 1]
            speed += sign * contact.frame[:3] @ (row[3:6] + np.cross(row[10:], contact.pos - row[:3]))
    return max(0.0, float(speed))


def _thin(times: np.ndarray, rows: np.ndarray) -> Track:
    """As few knots as show the simulation to within `_ERROR`: each part is halved until it does."""
    table = np.concatenate((times[:, None], rows), axis=1)
    kept, parts = {0, len(times) - 1}, [(0, len(times) - 1)]
    while parts:
        left, right = parts.pop()
        if right - left < 2:
            continue
        inside = np.unique(np.linspace(left + 1, right - 1, min(right - left - 1, 64)).astype(int))
        state = Track((tuple(table[left].tolist()), tuple(table[right].tolist()))).at(times[inside])
        place = np.abs(state.position - rows[inside, :3]).max()
        speed = np.abs(state.velocity - rows[inside, 3:6]).max()
        cosine = np.abs((state.rotation * rows[inside, 6:10]).sum(axis=1)).min()
        if place > _ERROR[0] or speed > _ERROR[1] or 2 * math.acos(min(1.0, cosine)) > _ERROR[2]:
            half = (left + right) // 2
            kept.add(half)
            parts += [(left, half), (half, right)]
    return Track(tuple(tuple(table[index].tolist()) for index in sorted(kept)))

"""The truth of each frame: mattes, depth, flow and states."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from framefall.worlds.render import sprites
from framefall.worlds.render.painting import sprite_coverage
from framefall.worlds.render.patches import Patches, put
from framefall.worlds.render.raster import block_mean
from framefall.worlds.render.renderer import render
from framefall.worlds.render.sprites import Grid, Sprite, View
from framefall.worlds.render.visibility import Shares, hidden_shares, visible_fraction
from framefall.worlds.state import FrameTimes, StateLog

Mattes = Float[Tensor, "bodies frames height width"]  # 0..1: how much of a pixel a body covers
__all__ = ["Rendered", "body_truth", "render_truth", "visible_fraction"]


@dataclass(frozen=True, eq=False)
class Rendered:
    """A clip and what is in it, pixel by pixel. Things are numbered: bodies, then fixtures, each as in the scene.

    Pixel positions run to the right and down from the upper left corner, so the middle of pixel (0, 0) is (0.5, 0.5).
    """

    video: UInt8[Tensor, "3 frames height width"]
    visible: Mattes  # what can be seen of it
    full: Mattes  # what could be seen if nothing stood before it
    thing: Int[Tensor, "frames height width"]  # what most of the pixel shows; -1 is the wall
    flow: Float[Tensor, "2 steps height width"]  # pixels right and down until the next frame, of that thing
    position: Float[np.ndarray, "bodies frames 2"]  # pixels
    velocity: Float[np.ndarray, "bodies frames 2"]  # pixels a second, in the picture
    angle: Float[np.ndarray, "bodies frames"]  # radians, anticlockwise


def render_truth(log: StateLog, times: FrameTimes, view: View) -> Rendered:
    """A flat scene's picture with its truth."""
    if log.scene.engine == "mujoco":
        raise ValueError(
            f"render_truth takes flat scenes, and {log.scene.key} has depth; use framefall.worlds.render.solids"
        )
    times = np.asarray(times, dtype=np.float64)
    scene, grid = log.scene, Grid(log.scene, times, view)
    bodies, frames = len(scene.bodies), len(times)
    full = torch.zeros(bodies, frames, view.height, view.width)
    share = torch.zeros(bodies + len(scene.fixtures), frames, view.height, view.width)
    rest = torch.zeros(frames, view.height, view.width)
    things = [
        *sprites.fixtures(scene, frames, grid, front=False),
        *(sprite for sprite in sprites.sprites(log, times, grid) if sprite.role != "shadow"),
        *sprites.fixtures(scene, frames, grid, front=True),
    ]
    for frame in range(frames):
        through = torch.ones(grid.rows, grid.columns)  # what nothing nearer has covered yet
        for sprite in reversed(things):
            cover = _cover(sprite, frame, grid)
            if cover is not None:
                share[sprite.thing, frame] += block_mean(cover * through, grid.factor)
                if sprite.thing < bodies:
                    full[sprite.thing, frame] = block_mean(cover, grid.factor)
                through *= 1.0 - cover
        rest[frame] = block_mean(through, grid.factor)
    thing = torch.cat((rest[None], share)).argmax(dim=0) - 1
    states = [log.tracks[body.name].at(times) for body in scene.bodies]
    position = np.stack([grid.place(state.position, np.arange(frames)) for state in states]) / grid.factor
    camera = np.asarray(scene.camera.velocity)
    velocity = np.stack([(state.velocity - camera) * (1, -1) * view.pixels for state in states])
    angle = np.stack([state.rotation[:, 0] for state in states])
    flow = _flow(log, times, view, thing)
    video = render([log], [times], view)[0]
    return Rendered(video, share[:bodies], full, thing, flow, position, velocity, angle)


def _cover(sprite: Sprite, frame: int, grid: Grid) -> Tensor | None:
    """A sprite's coverage of the whole fine grid at one frame; None where it is out of the picture."""
    seen = sprite.within(grid.rows, grid.columns)
    one = seen and seen.at(frame)
    if not one:
        return None
    patches = Patches(np.zeros(1, dtype=np.int64), one.box, grid.rows, grid.columns, 1, torch.device("cpu"))
    canvas = torch.zeros(1, 1, grid.rows, grid.columns)
    put(canvas, patches, sprite_coverage(one, patches)[:, None])
    return canvas[0, 0]


def _flow(log: StateLog, times: np.ndarray, view: View, thing: Int[Tensor, "frames height width"]) -> Tensor:
    """Where each pixel's thing carries it, as a rigid motion in the picture."""
    scene, grid = log.scene, Grid(log.scene, times, view)
    steps = len(times) - 1
    flow = torch.zeros(2, max(steps, 0), view.height, view.width)
    row, column = torch.meshgrid(torch.arange(view.height) + 0.5, torch.arange(view.width) + 0.5, indexing="ij")
    frame = np.arange(len(times))
    motions = [(-1, np.zeros(2), np.zeros(len(times)))]
    motions += [(index, *_motion(log, index, times)) for index in range(len(scene.bodies) + len(scene.fixtures))]
    for index, point, angle in motions:
        centre = grid.place(np.broadcast_to(point, (len(times), 2)), frame) / grid.factor
        for step in range(steps):
            chosen = thing[step] == index
            if not chosen.any():
                continue
            (x, y), (to_x, to_y) = centre[step].tolist(), centre[step + 1].tolist()
            turn = float(angle[step + 1] - angle[step])
            dx, dy = column[chosen] - x, row[chosen] - y
            cosine, sine = math.cos(turn), math.sin(turn)  # anticlockwise where y is downwards
            flow[0, step][chosen] = (to_x - x) + (cosine - 1) * dx + sine * dy
            flow[1, step][chosen] = (to_y - y) - sine * dx + (cosine - 1) * dy
    return flow


def _motion(log: StateLog, thing: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A point of a thing in the world, and the angle that it is turned by, at each moment."""
    bodies = log.scene.bodies
    if thing < len(bodies):
        state = log.tracks[bodies[thing].name].at(times)
        return state.position, state.rotation[:, 0]
    fixture = log.scene.fixtures[thing - len(bodies)]
    start = np.asarray(fixture.points[0])
    if fixture.follows is None:
        return start, np.zeros(len(times))
    arm = log.tracks[fixture.follows].at(times).position - start
    return start, np.unwrap(np.arctan2(arm[:, 1], arm[:, 0]))


def body_truth(log: StateLog, times: FrameTimes) -> dict[str, Any]:
    """Everything that is known of each frame, ready for JSON; lengths in heights, y upwards.

    With depth z is upwards, `angle` is a unit quaternion (w, x, y, z), `spin` has three axes, and what hides what is
    not told (see `solids.masks`).
    """
    times = np.asarray(times, dtype=np.float64)
    scene, light = log.scene, log.scene.light
    deep = scene.engine == "mujoco"
    hidden = {} if deep else {body.name: hidden_shares(log, body.name, times) for body in scene.bodies}
    camera = np.asarray(scene.camera.start) + times[:, None] * np.asarray(scene.camera.velocity)
    return {
        "key": scene.key,
        "times": times.tolist(),
        "frames": [
            {
                "bodies": bodies,
                "camera": camera[frame].tolist(),
                "light": light.angle + light.turn * float(times[frame]),
            }
            for frame, bodies in enumerate(_rows(log, times, hidden))
        ],
        "contacts": [
            {"time": contact.time, "first": contact.first, "second": contact.second, "speed": contact.speed}
            for contact in log.contacts
        ],
        "gravity": scene.gravity,
        "restitution": scene.restitution,
        "friction": scene.friction,
        "violation": log.violation,
        "violation_time": log.violation_time,
    }


def _rows(
    log: StateLog, times: np.ndarray, hidden: dict[str, tuple[np.ndarray, Shares]]
) -> Iterator[list[dict[str, Any]]]:
    """Each frame's bodies."""
    names = [body.name for body in log.scene.bodies]
    states = {name: log.tracks[name].at(times) for name in names}
    looks = {name: log.appearances_at(name, times) for name in names}
    shapes = {body.name: body.shape for body in log.scene.bodies}
    for frame in range(len(times)):
        rows = []
        for name in names:
            state, look = states[name], looks[name][frame]
            flat = name in hidden
            visible, hiders = hidden.get(name, (None, {}))
            most = max(hiders, key=lambda other: hiders[other][frame], default="")
            rows.append(
                {
                    "id": name,
                    "shape": look.shape if flat else shapes[name],
                    "colour": look.colour,
                    "radius": look.radius,
                    "position": state.position[frame].tolist(),
                    "velocity": state.velocity[frame].tolist(),
                    "angle": float(state.rotation[frame, 0]) if flat else state.rotation[frame].tolist(),
                    "spin": float(state.spin[frame, 0]) if flat else state.spin[frame].tolist(),
                    "visible": None if visible is None else float(visible[frame]),
                    "occluder": most if most and hiders[most][frame] > 0 else "",
                    "shown": look.shown,
                }
            )
        yield rows

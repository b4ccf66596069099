"""Pictures of scenes with depth, and the truth about them, by MuJoCo (the extra `physics3d`).

A finished log is shown at any rate, size and crop; nothing is simulated again. The camera is a pinhole that looks at
the middle of the scene from `DISTANCE` away, so that a thing in the plane y = 0 is as large as its numbers say.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from framefall.worlds.engines.solids import DISTANCE, build_model, load_mujoco
from framefall.worlds.render.sprites import View
from framefall.worlds.state import FrameTimes, StateLog

ELEVATION = -12.0  # degrees: the camera looks down a little
MIDDLE = 0.40  # z of what the camera looks at
_LIGHT = 2.0  # heights, from the light to the middle
_FINER = 2  # pictures are drawn so many times as large and averaged


def render(log: StateLog, times: FrameTimes, view: View) -> UInt8[np.ndarray, "3 frames height width"]:
    """Pictures of a log at `times`; nothing is simulated again, so any rate and size show the same motion."""
    pictures = []
    for renderer, (height, width) in _shots(log, times, view, _FINER):
        fine = renderer.render().astype(np.float32).reshape(height, _FINER, width, _FINER, 3).mean(axis=(1, 3))
        pictures.append(np.round(_cut(fine, view)).astype(np.uint8))
    return np.ascontiguousarray(np.moveaxis(np.stack(pictures), -1, 0))


def masks(log: StateLog, times: FrameTimes, view: View) -> Int[np.ndarray, "frames height width"]:
    """Which body is seen at each pixel's middle: its place in the scene from 1 on, 0 for everything else."""
    pictures = []
    for renderer, _ in _shots(log, times, view, 1):
        renderer.enable_segmentation_rendering()
        seen = renderer.render()[..., 0]
        renderer.disable_segmentation_rendering()
        places = np.zeros(renderer.model.ngeom + 1, dtype=np.int64)  # the last is for the sky's -1
        for index, body in enumerate(log.scene.bodies):
            places[renderer.model.geom(body.name).id] = index + 1
        pictures.append(_cut(places[seen], view))
    return np.stack(pictures)


def depths(log: StateLog, times: FrameTimes, view: View) -> Float[np.ndarray, "frames height width"]:
    """How far what is seen is from the camera's plane, in heights."""
    pictures = []
    for renderer, _ in _shots(log, times, view, 1):
        renderer.enable_depth_rendering()
        pictures.append(_cut(renderer.render(), view))
        renderer.disable_depth_rendering()
    return np.stack(pictures)


def project(log: StateLog, times: FrameTimes, view: View) -> dict[str, Float[np.ndarray, "frames 2"]]:
    """Where each body's middle is: x to the right, y down, in pixels from the view's upper left corner."""
    start, turn = log.scene.camera.orbit
    azimuth, elevation = np.radians(90 + start + turn * np.asarray(times)), math.radians(ELEVATION)
    level = math.cos(elevation)
    ahead = np.stack(
        (level * np.cos(azimuth), level * np.sin(azimuth), np.full(len(times), math.sin(elevation))), axis=1
    )
    right = np.stack((np.sin(azimuth), -np.cos(azimuth), np.zeros(len(times))), axis=1)
    up = np.cross(right, ahead)
    middle = np.array([log.scene.width / 2, 0.0, MIDDLE])
    answer = {}
    for name, track in log.tracks.items():
        ray = track.at(times).position - middle + DISTANCE * ahead
        scale = view.pixels * DISTANCE / (ray * ahead).sum(axis=1)
        across = view.pixels * log.scene.width / 2 + scale * (ray * right).sum(axis=1)
        down = view.pixels / 2 - scale * (ray * up).sum(axis=1)
        answer[name] = np.stack((across - view.left, down - view.top), axis=1)
    return answer


def _shots(log: StateLog, times: FrameTimes, view: View, finer: int) -> Iterator[tuple[Any, tuple[int, int]]]:
    """MuJoCo's renderer, once for each moment with the scene set to it; and the whole picture's height and width."""
    mujoco = load_mujoco()
    height, width = view.pixels, round(view.pixels * log.scene.width)
    if view.top + view.height > height or view.left + view.width > width:
        raise ValueError(f"a view must lie in its picture of {height} x {width} pixels, got {view}; make it smaller")
    model, data = build_model(log.scene, height * finer, width * finer)
    states = [log.tracks[body.name].at(times) for body in log.scene.bodies]
    middle = np.array([log.scene.width / 2, 0.0, MIDDLE])
    camera = mujoco.MjvCamera()
    camera.lookat[:] = middle
    camera.distance, camera.elevation = DISTANCE, ELEVATION
    start, turn = log.scene.camera.orbit
    renderer = mujoco.Renderer(model, height * finer, width * finer)
    try:
        for frame, time in enumerate(times):
            for index, state in enumerate(states):
                data.qpos[7 * index : 7 * index + 7] = (*state.position[frame], *state.rotation[frame])
            angle = math.radians(log.scene.light.angle + log.scene.light.turn * time)
            ahead = np.array([-math.cos(angle), 0.6, -math.sin(angle)])
            # a far light has a place all the same: what lies behind it would cast no shadow
            model.light_dir[0], model.light_pos[0] = ahead, middle - _LIGHT * ahead
            mujoco.mj_forward(model, data)
            camera.azimuth = 90 + start + turn * time
            renderer.update_scene(data, camera)
            yield renderer, (height, width)
    finally:
        renderer.close()


def _cut(picture: np.ndarray, view: View) -> np.ndarray:
    return picture[view.top : view.top + view.height, view.left : view.left + view.width]

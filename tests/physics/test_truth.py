"""What a clip of a scene should show, and what a perfect tracker would find in it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.noise import Key
from framefall.physics.truth import MOMENTS, ideal_tracks, project
from framefall.tracking.tracker import KnownScene, track
from framefall.worlds.render.renderer import View, render
from framefall.worlds.scene import Camera
from framefall.worlds.state import frame_times
from framefall.worlds.violations.registry import break_physics


def test_a_moving_camera_is_taken_out(clip: Callable[..., tuple]) -> None:
    log, still = clip("fall")
    panned = replace(log, scene=replace(log.scene, camera=Camera(velocity=(0.06, 0.0))))
    moved = project(panned, still.frames, still.fps, 64, 64)
    # what it is over the wall is the same, what it is in the picture is not
    assert np.allclose(moved.bodies[0].position, still.bodies[0].position)
    ways = [each.ideal.objects[0].position[-1] for each in (still, moved)]
    assert ways[0][0] - ways[1][0] == pytest.approx(0.06 * 2.5 * 64)


def test_the_ideal_tracker_agrees_with_the_real_one_on_a_render(clip: Callable[..., tuple]) -> None:
    log, truth = clip("projectile")
    video = render([log], [frame_times(truth.frames, truth.fps)], View(64, 64)).float() / 127.5 - 1
    real, ideal = track(video, truth.fps, scene=KnownScene(objects=1)).objects[0], truth.ideal.objects[0]
    both = np.intersect1d(real.frames[real.whole], ideal.frames[ideal.whole])
    one, two = (each.position[np.searchsorted(each.frames, both)] for each in (real, ideal))
    assert len(both) > 20
    assert np.median(np.linalg.norm(one - two, axis=1)) < 0.1  # pixels
    assert np.linalg.norm(np.median(real.shape[real.whole], axis=0) - MOMENTS[truth.bodies[0].shape]) < 0.006


def test_what_vanishes_is_not_in_the_ideal_tracks(clip: Callable[..., tuple]) -> None:

    log, truth = clip("uniform", 1)
    gone = ideal_tracks(break_physics(log, "vanish", Key(0, "test")), truth.frames, truth.fps, 64, 64)
    assert len(gone.objects[0].frames) < len(truth.ideal.objects[0].frames)
    assert any(event.kind == "death" and not event.explained for event in gone.events)


def test_a_scene_with_depth_is_refused_in_a_sentence(clip: Callable[..., tuple]) -> None:
    log, _ = clip("fall")
    body = replace(log.scene.bodies[0], position=(0.0, 0.0, 0.0), velocity=(0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="has depth; judge its clips without a scene"):
        project(replace(log, scene=replace(log.scene, bodies=(body,))), 8, 6.0, 32, 32)

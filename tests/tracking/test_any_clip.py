"""Whatever is given, tracking answers: with objects, or with a coverage that says that nothing can be told."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.physics.laws import laws
from framefall.tracking.overlay import overlay
from framefall.tracking.tracker import KnownScene, track
from framefall.tracking.trajectory import Tracks

Shoot = Callable[..., Any]


def grains(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


ODD = {
    "black": torch.full((1, 3, 8, 32, 32), -1.0),
    "one frame": torch.zeros(1, 3, 1, 32, 32),
    "two frames of noise": grains(1, 3, 2, 32, 32),
    "noise": grains(1, 3, 12, 48, 48),
    "one pixel": torch.zeros(1, 3, 4, 1, 1),
    "tiny": grains(1, 3, 5, 3, 7),
    "not a number": torch.full((1, 3, 6, 32, 32), torch.nan),
    "one channel": grains(1, 1, 6, 32, 32),
    "two channels": grains(1, 2, 6, 32, 32),
    "five channels": grains(1, 5, 6, 32, 32),
    "very wide": grains(1, 3, 4, 16, 600),
    "4K": torch.zeros(1, 3, 2, 2160, 3840),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_clips_are_not_measurable_and_raise_nothing(name: str) -> None:
    video = ODD[name]
    tracks = track(video, 24.0)
    assert isinstance(tracks, Tracks)
    assert (tracks.frames, tracks.height, tracks.width) == tuple(video.shape[2:])
    assert 0.0 <= tracks.coverage <= 1.0 and np.isfinite(tracks.noise)
    assert not tracks.measurable


def test_a_grey_clip_is_tracked_by_its_brightness(shoot: Shoot) -> None:
    shot = next(
        s for s in (shoot("projectile", i) for i in range(40)) if s.log.scene.bodies[0].colour in ("blue", "red")
    )
    tracks = track(shot.video().mean(dim=1, keepdim=True), 24.0)
    assert len(tracks.objects) == 1 and tracks.measurable


def test_real_footage_gets_points_and_a_coverage(carphone: Tensor) -> None:
    tracks = track(carphone, 30.0)
    assert tracks.frames == 40 and len(tracks.objects) < 12
    for one in tracks.objects:
        assert (np.diff(one.frames) > 0).all()
        # nothing in it jumps by a tenth of the picture from one frame to the next
        steps = np.linalg.norm(np.diff(one.position, axis=0), axis=1)
        assert np.median(steps) < 0.1 * tracks.height
    said = laws(tracks)
    assert not tracks.outlined and [name for name, law in said.items() if not math.isnan(law.value)] == ["roughness"]
    assert "points, not objects" in said["identity"].reason


def test_frames_without_any_order_are_not_measurable(carphone: Tensor) -> None:
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    jumbled = torch.cat((carphone[:, :, order[:20]], carphone[:, :, order[20:]].flip(-1)), dim=2)[:, :, order]
    assert track(jumbled, 30.0).coverage < track(carphone, 30.0).coverage


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_frame_rate_must_be_one(fps: float) -> None:
    with pytest.raises(ValueError, match="fps must be above 0"):
        track(torch.zeros(1, 3, 2, 8, 8), fps)


def test_what_is_known_must_fit_the_clip() -> None:
    video = torch.zeros(1, 3, 4, 16, 16)
    with pytest.raises(ValueError, match="known background must have the clip's size"):
        track(video, 24.0, scene=KnownScene(background=torch.zeros(1, 3, 1, 8, 8)))
    with pytest.raises(ValueError, match="one place a frame"):
        track(video, 24.0, scene=KnownScene(camera=np.zeros((3, 2))))


@pytest.mark.parametrize(("size", "seconds"), [(64, 0.5), (256, 0.8)])
def test_a_clip_is_tracked_within_its_time(size: int, seconds: float, shoot: Shoot) -> None:
    shot = shoot("projectile", 1, size)
    video, known = shot.video(), shot.known()
    begin = time.process_time()  # of this process: other work on the machine does not count
    track(video, 24.0, scene=known)
    spent = time.process_time() - begin
    assert spent < 3 * seconds  # annotations are checked in tests, which costs as much again


def test_the_overlay_shows_every_frame_and_marks_what_is_unexplained(shoot: Shoot) -> None:
    shot = shoot("collision", 1, 64, frames=13)
    video = shot.video()
    tracks = track(video, 24.0, scene=shot.known())
    drawn = overlay(video, tracks)
    assert drawn.shape == (13, 192, 192, 3)
    bare = overlay(video, Tracks((), (), 13, 64, 64, 24.0, 0.0, 0.0))
    assert (drawn != bare).any(axis=(1, 2, 3)).all()
    assert overlay(video[:, :1], tracks).shape == drawn.shape

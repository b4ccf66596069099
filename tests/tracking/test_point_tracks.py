"""Footage without a background: points in groups, and a coverage that says how far to trust them."""

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.physics.laws import laws
from framefall.tracking.point_tracks import track_points
from framefall.tracking.tracker import track
from framefall.tracking.trajectory import Tracks
from framefall.tracking.working_clip import WorkingClip

Shoot = Callable[..., Any]


@pytest.fixture(scope="module")
def found(carphone: Tensor) -> Tracks:
    """In the real clip."""
    return track(carphone, 30.0)


def test_real_footage_gets_points_and_a_coverage(found: Tracks) -> None:
    tracks = found
    assert tracks.frames == 40 and len(tracks.objects) < 12
    for one in tracks.objects:
        assert (np.diff(one.frames) > 0).all()
        # nothing in it jumps by a tenth of the picture from one frame to the next
        steps = np.linalg.norm(np.diff(one.position, axis=0), axis=1)
        assert np.median(steps) < 0.1 * tracks.height
    said = laws(tracks)
    assert not tracks.outlined and [name for name, law in said.items() if not math.isnan(law.value)] == ["roughness"]
    assert "points, not objects" in said["identity"].reason


def test_frames_without_any_order_are_not_measurable(carphone: Tensor, found: Tracks) -> None:
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    jumbled = torch.cat((carphone[:, :, order[:20]], carphone[:, :, order[20:]].flip(-1)), dim=2)[:, :, order]
    assert track(jumbled, 30.0).coverage < found.coverage


def patterned(way: np.ndarray) -> WorkingClip:
    """A rough patch of 28 pixels that goes its way over another rough wall of 96."""
    noise = np.random.default_rng(2)
    wall, patch = (
        cv2.resize(noise.integers(0, 256, (n, n, 3), dtype=np.uint8), (s, s), interpolation=cv2.INTER_CUBIC)
        for n, s in ((24, 96), (7, 28))
    )
    pictures = []
    for x, y in way.astype(int):
        picture = wall.copy()
        picture[y : y + 28, x : x + 28] = patch
        pictures.append(picture)
    return WorkingClip(np.stack(pictures), 1.0, 96, 96)


def test_a_patch_that_moves_is_an_object_and_the_wall_is_none() -> None:
    way = np.stack((10 + 2 * np.arange(16), 30 + np.arange(16)), axis=1)
    tracks = track_points(patterned(way), 24.0, 0.0)
    moved = [one.position[-1] - one.position[0] for one in tracks.objects]
    assert max(moved, key=np.linalg.norm) == pytest.approx([30, 15], abs=1.0)
    assert min(map(np.linalg.norm, moved)) > 5  # what stands is the scene
    assert not tracks.outlined and tracks.coverage > 0.5
    still = track_points(patterned(np.broadcast_to([10, 30], (16, 2))), 24.0, 0.0)
    assert still.objects == () and still.coverage > 0.95  # the control


def test_two_frames_and_tiny_pictures_have_no_points() -> None:
    clip = patterned(np.array([[10, 30]] * 2))
    assert track_points(clip, 24.0, 0.0).coverage == 0.0
    assert track_points(WorkingClip(clip.pictures[:, :8, :8], 1.0, 8, 8), 24.0, 0.0).objects == ()

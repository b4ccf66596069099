"""What is known of a scene is used, must fit its clip, and counts what nobody saw."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from framefall.tracking.tracker import KnownScene, track

Shoot = Callable[..., Any]


def test_what_is_known_must_fit_the_clip() -> None:
    video = torch.zeros(1, 3, 4, 16, 16)
    with pytest.raises(ValueError, match="known background must have the clip's size"):
        track(video, 24.0, scene=KnownScene(background=torch.zeros(1, 3, 1, 8, 8)))
    with pytest.raises(ValueError, match="one place a frame"):
        track(video, 24.0, scene=KnownScene(camera=np.zeros((3, 2))))


def test_expected_objects_that_nobody_saw_are_missing(shoot: Shoot) -> None:
    shot = shoot("projectile", 0, 64, frames=20)
    known = shot.known()
    more = type(known)(background=known.background, objects=2)
    assert track(shot.video(), 24.0, scene=more).coverage == pytest.approx(0.5, abs=0.05)


def test_what_rests_on_and_on_is_found_if_the_background_is_known(shoot: Shoot, world: Shoot) -> None:
    shot = shoot("stack", next(i for i in range(9) if world("stack", i).scene.attributes.outcome == "stands"))
    assert len(shot.tracks().objects) == len(shot.log.scene.bodies)
    assert not shot.blind().measurable

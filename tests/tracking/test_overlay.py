"""Tracks over their clip: every frame is drawn on, whatever the channels."""

from collections.abc import Callable
from typing import Any

from framefall.tracking.overlay import overlay
from framefall.tracking.trajectory import Tracks

Shoot = Callable[..., Any]


def test_the_overlay_shows_every_frame_and_marks_what_is_unexplained(shoot: Shoot) -> None:
    shot = shoot("collision", 1, 64, frames=13)
    video = shot.video()
    tracks = shot.tracks()
    drawn = overlay(video, tracks)
    assert drawn.shape == (13, 192, 192, 3)
    bare = overlay(video, Tracks((), (), 13, 64, 64, 24.0, 0.0, 0.0))
    assert (drawn != bare).any(axis=(1, 2, 3)).all()
    assert overlay(video[:, :1], tracks).shape == drawn.shape

"""Any clip as bytes of a bounded size, measured in its own pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from framefall.tracking.working_clip import working_clip, working_pictures

Shoot = Callable[..., Any]


def test_a_large_clip_is_measured_in_its_own_pixels(shoot: Shoot) -> None:
    shot = shoot("projectile", 0, 256, frames=13)
    tracks = shot.tracks()
    assert (tracks.height, tracks.width) == (256, 256)
    assert np.median(shot.errors(tracks)) < 0.06


@pytest.mark.parametrize(("size", "working", "scale"), [(64, 64, 1.0), (128, 128, 1.0), (256, 128, 2.0)])
def test_the_shorter_side_is_bounded_and_a_small_clip_is_left(size: int, working: int, scale: float) -> None:
    clip = working_clip(torch.zeros(1, 3, 2, size, 2 * size))
    assert clip.pictures.shape == (2, working, 2 * working, 3) and clip.scale == scale
    assert (clip.height, clip.width) == (size, 2 * size) and clip.pictures.dtype == np.uint8
    assert (clip.pictures == 128).all()


def test_shrinking_is_an_area_mean() -> None:
    video = torch.rand(1, 3, 1, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    means = (video * 127.5 + 127.5).round()[0, :, 0].reshape(3, 128, 2, 128, 2).mean(dim=(2, 4))
    assert np.abs(working_pictures(video)[0] - means.permute(1, 2, 0).numpy()).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_few_channels_are_grey_and_of_many_three_are_seen(channels: int) -> None:
    video = torch.stack([torch.full((2, 16, 16), -1.0 + 0.4 * index) for index in range(channels)])[None]
    seen = working_pictures(video)[0, 0, 0].tolist()
    levels = [round(127.5 * 0.4 * index) for index in range(channels)]
    assert seen == pytest.approx([np.mean(levels)] * 3 if channels < 3 else levels[:3], abs=1)


def test_what_is_not_a_number_is_black() -> None:
    assert (working_pictures(torch.full((1, 3, 1, 8, 8), torch.nan)) == 0).all()

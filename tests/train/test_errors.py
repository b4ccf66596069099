"""Errors like those of a base: of the size and kinship that were measured, at edges, none where none are asked for."""

import numpy as np
import pytest
import torch

from framefall.noise import Key, normal
from framefall.train.errors import EDGE, TINT, mistaken


def noise(clips: int, channels: int, frames: int, side: int) -> torch.Tensor:
    return normal([Key(clip, "errors") for clip in range(clips)], (channels + 1, frames + 1, side, side))


def squares(clips: int) -> torch.Tensor:
    """White squares on grey, that move."""
    video = torch.zeros(clips, 3, 6, 32, 32)
    for frame in range(6):
        video[:, :, frame, 8:20, 4 + 2 * frame : 16 + 2 * frame] = 1.0
    return video


def kinship(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(np.corrcoef(one.flatten(), other.flatten())[0, 1])


def test_none_are_made_where_none_are_asked_for() -> None:
    low = squares(2)
    found = mistaken(low, noise(2, 3, 6, 32), torch.tensor([0.0, 1.0]))
    assert torch.equal(found[0], low[0]) and not torch.equal(found[1], low[1])


def test_they_are_at_edges_and_as_large_as_was_measured() -> None:
    low = squares(8)
    error = mistaken(low, noise(8, 3, 6, 32), torch.ones(8)) - low
    edge = torch.zeros_like(low, dtype=torch.bool)
    edge[..., 7:21, :] = low[..., 7:21, :].diff(dim=-1, prepend=low[..., 7:21, :1]) != 0
    flat = error[..., 24:, :]  # below all squares
    assert 0.07 < float(error[edge].std()) < 0.15  # 0.115 to 0.145 of what a base draws, whose edges are less even
    assert float(flat.std()) == pytest.approx(TINT, rel=0.4)  # joined smoothly, so that it is a little less
    # the control: the same noise everywhere would be as large on the flat
    assert float(error[edge].std()) > 2 * float(flat.std()) and EDGE > 2 * TINT


def test_frames_channels_and_neighbours_err_alike() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(16, 3, 6, 32, 32).clone()  # as steep everywhere
    error = mistaken(ramp, noise(16, 3, 6, 32), torch.ones(16)) - ramp
    error = error - error.mean(dim=(2, 3, 4), keepdim=True)
    assert kinship(error[:, :, 1:], error[:, :, :-1]) > 0.4
    assert kinship(error[:, 0], error[:, 1]) > 0.1
    assert kinship(error[..., 1:], error[..., :-1]) > 0.5
    assert abs(kinship(error[:8], error[8:])) < 0.1  # clips err each by itself

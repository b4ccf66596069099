import math

import pytest
import torch
from torch import Tensor

from framefall.layers.tokens import Patch, coordinates, grid, patchify, rotary_angles, rotate, unpatchify

PATCHES: list[Patch] = [(1, 1, 1), (2, 4, 4), (4, 8, 8), (2, 3, 5)]
SIZES = [(1, 1, 1), (1, 16, 16), (8, 16, 16), (5, 9, 14), (7, 17, 3)]  # frames, height, width


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def turned(x: Tensor, positions: Tensor) -> Tensor:
    return rotate(x, rotary_angles(positions, x.shape[-1])[:, None])


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("patch", PATCHES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_video_comes_back_out_of_its_tokens(size, patch, channels):
    video = noise(2, channels, *size)
    tokens = patchify(video, patch)
    assert tokens.shape == (2, math.prod(grid(*size, patch)), math.prod(patch) * channels)
    assert torch.equal(unpatchify(tokens, patch, *size), video)  # nothing is computed, so every bit returns


def test_tokens_in_another_order_are_another_video():
    video = noise(1, 3, 4, 8, 8)
    assert not torch.equal(unpatchify(patchify(video, (2, 4, 4)).flip(1), (2, 4, 4), 4, 8, 8), video)


def test_tokens_go_through_frames_then_rows_then_columns():
    video = torch.arange(2 * 2 * 3, dtype=torch.float64).reshape(1, 1, 2, 2, 3)
    assert patchify(video, (1, 1, 1)).flatten().tolist() == list(range(12))
    inside = patchify(video, (2, 2, 3))  # one patch: its pixels go in the same order
    assert inside.flatten().tolist() == list(range(12))


def test_channels_are_the_fastest_axis_of_a_token():
    video = torch.stack([torch.full((1, 4, 4), float(channel)) for channel in range(3)])[None]
    assert patchify(video, (1, 2, 2))[0, 0].tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize("patch", PATCHES, ids=str)
def test_an_image_is_a_video_that_stands_still_for_one_patch(patch):
    image = noise(1, 3, 1, 9, 9)
    still = image.expand(-1, -1, patch[0], -1, -1)
    assert torch.equal(patchify(image, patch), patchify(still, patch))


def test_padding_repeats_the_last_frame_row_and_column():
    video = noise(1, 2, 3, 5, 6)
    full = torch.cat((video, video[:, :, -1:]), dim=2)
    full = torch.cat((full, full[..., -1:, :].expand(-1, -1, -1, 3, -1)), dim=3)
    full = torch.cat((full, full[..., -1:].expand(-1, -1, -1, -1, 2)), dim=4)
    assert torch.equal(patchify(video, (2, 4, 4)), patchify(full, (2, 4, 4)))


def test_a_position_is_the_middle_of_its_patch_in_seconds_and_pixels():
    seconds = torch.tensor([[0.0, 0.5, 1.0, 1.5], [0.0, 0.25, 0.5, 0.75]])  # at 2 and at 4 frames a second
    found = coordinates(seconds, 16, 24, (2, 8, 8)).unflatten(1, (2, 2, 3))
    assert found[0, :, 0, 0, 0].tolist() == [0.25, 1.25]
    assert found[1, :, 0, 0, 0].tolist() == [0.125, 0.625]
    assert found[0, 0, :, 0, 1].tolist() == [4.0, 12.0]
    assert found[0, 0, 0, :, 2].tolist() == [4.0, 12.0, 20.0]


def test_positions_have_one_row_for_each_token():
    for frames, height, width in SIZES:
        for patch in PATCHES:
            video, seconds = noise(2, 1, frames, height, width), noise(2, frames)
            assert coordinates(seconds, height, width, patch).shape[:2] == patchify(video, patch).shape[:2]


def test_a_picture_that_is_cut_off_keeps_the_middles_of_whole_patches():
    one, two = torch.zeros(1, 1), torch.zeros(1, 2)
    assert coordinates(one, 9, 8, (2, 8, 8))[0].tolist() == [[0.0, 4.0, 4.0], [0.0, 12.0, 4.0]]
    assert torch.equal(coordinates(one, 9, 8, (2, 8, 8)), coordinates(two, 16, 8, (2, 8, 8)))


def test_positions_keep_their_meaning_at_another_frame_rate_and_size():
    slow = coordinates(torch.arange(4)[None] / 4.0, 8, 8, (1, 4, 4))
    fast = coordinates(torch.arange(8)[None] / 8.0, 12, 16, (1, 4, 4)).unflatten(1, (8, 3, 4))
    assert torch.equal(slow.unflatten(1, (4, 2, 2)), fast[:, ::2, :2, :2])


@pytest.mark.parametrize("head_dim", [8, 16, 64])
def test_a_quarter_of_the_angles_belongs_to_time_and_the_rest_to_space(head_dim):
    here = torch.zeros(1, 1, 3)
    moved = [rotary_angles(here + torch.eye(3)[axis], head_dim)[0, 0] != 0 for axis in range(3)]
    assert sum(part.int() for part in moved).tolist() == [1] * (head_dim // 2)  # type: ignore[union-attr]
    assert moved[0].sum() == head_dim // 8 and moved[0][: head_dim // 8].all()


def test_wavelengths_reach_from_a_patch_to_a_large_picture():
    angles = rotary_angles(torch.tensor([[[1 / 6, 16.0, 16.0]]]), 64)[0, 0] / (2 * torch.pi)
    first = angles[[0, 8, 20]]  # the shortest wavelengths of time, down and right
    last = angles[[7, 19, 31]]
    torch.testing.assert_close(first, torch.ones(3))
    torch.testing.assert_close(last, torch.tensor([1 / 6 / 32, 1 / 64, 1 / 64]))


def test_no_angle_is_no_rotation():
    x = noise(2, 3, 5, 16)
    assert torch.equal(rotate(x, torch.zeros(2, 1, 5, 8)), x)
    assert not torch.equal(rotate(x, torch.full((2, 1, 5, 8), 0.1)), x)


def test_a_quarter_turn_sends_the_first_of_a_pair_to_the_second():
    x = torch.zeros(1, 1, 1, 4, dtype=torch.float64)
    x[..., 1] = 1.0
    found = rotate(x, torch.full((1, 1, 1, 2), math.pi / 2, dtype=torch.float64))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64))


def test_a_rotation_keeps_lengths():
    x, angles = noise(2, 3, 5, 16), noise(2, 1, 5, 8, seed=1)
    torch.testing.assert_close(rotate(x, angles).norm(dim=-1), x.norm(dim=-1))


@pytest.mark.parametrize("shift", [(3.0, 0.0, 0.0), (0.0, 40.0, 0.0), (0.0, 0.0, -17.0), (1.0, 5.0, 9.0)], ids=str)
def test_scores_depend_on_relative_positions_only(shift):
    query, key, positions = noise(1, 2, 6, 32), noise(1, 2, 6, 32, seed=1), 50 * noise(1, 6, 3, seed=2)
    moved = positions + torch.tensor(shift, dtype=torch.float64)
    scores = turned(query, positions) @ turned(key, positions).mT
    # frequencies are float32 numbers, but the same ones on both sides: only float64 rounding is left
    torch.testing.assert_close(turned(query, moved) @ turned(key, moved).mT, scores, rtol=1e-9, atol=1e-9)
    assert (turned(query, moved) @ turned(key, positions).mT - scores).abs().max() > 0.1  # only queries moved

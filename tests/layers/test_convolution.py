import pytest
import torch
from torch import Tensor, nn

from framefall.layers.convolution import DetailHead, PixelNorm, ResidualBlock, TemporalMixing, by_row

DIM = 8


def rows(frames: int = 1, height: int = 11, width: int = 11, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, DIM, height, width, dtype=torch.float64, generator=generator)


def trained(layer: nn.Module) -> nn.Module:
    """In float64, with every weight away from zero."""
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.double().parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=generator) * 0.3
    return layer


def changed(layer: nn.Module, x: Tensor, argument: Tensor | int, place: tuple[int, int, int]) -> Tensor:
    """Where `[rows, height, width]` the output moves when one pixel of the input does."""
    frame, row, column = place
    other = x.clone()
    other[frame, :, row, column] += 1.0
    return ((layer(other, argument) - layer(x, argument)) != 0).any(1)


def test_a_fresh_residual_block_is_the_identity():
    x, level = rows().float(), torch.randn(1, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(ResidualBlock(DIM, 4)(x, level), x)
    assert not torch.equal(trained(ResidualBlock(DIM, 4))(x.double(), level.double()), x.double())


def test_a_fresh_temporal_mixing_is_the_identity():
    x = rows(5).float()
    assert torch.equal(TemporalMixing(DIM)(x, 5), x)
    assert not torch.equal(trained(TemporalMixing(DIM))(x.double(), 5), x.double())


def test_a_residual_block_sees_as_far_as_it_says_and_no_further():
    block, level = trained(ResidualBlock(DIM, 4)), torch.ones(1, 4, dtype=torch.float64)
    moved = changed(block, rows(), level, (0, 5, 5))[0]
    reach = ResidualBlock.reach
    inside = torch.zeros(11, 11, dtype=torch.bool)
    inside[5 - reach : 6 + reach, 5 - reach : 6 + reach] = True
    assert torch.equal(moved, inside)  # every pixel within, none beyond


def test_a_residual_block_sees_one_frame_only():
    block, level = trained(ResidualBlock(DIM, 4)), torch.ones(3, 4, dtype=torch.float64)
    assert changed(block, rows(3), level, (1, 5, 5)).flatten(1).any(1).tolist() == [False, True, False]


def test_the_level_steers_a_residual_block():
    block, x = trained(ResidualBlock(DIM, 4)), rows(2)
    quiet, loud = torch.zeros(2, 4, dtype=torch.float64), torch.ones(2, 4, dtype=torch.float64)
    mixed = torch.cat((quiet[:1], loud[1:]))
    out = block(x, mixed)
    torch.testing.assert_close(out[:1], block(x, quiet)[:1])
    torch.testing.assert_close(out[1:], block(x, loud)[1:])
    assert (block(x, quiet) - block(x, loud)).abs().max() > 0.1


def test_temporal_mixing_sees_its_pixel_in_the_frames_beside_it():
    mixing, reach = trained(TemporalMixing(DIM)), TemporalMixing.reach
    moved = changed(mixing, rows(7), 7, (3, 5, 5))
    inside = torch.zeros(7, 11, 11, dtype=torch.bool)
    inside[3 - reach : 4 + reach, 5, 5] = True
    assert torch.equal(moved, inside)


def test_at_both_ends_the_end_frame_stands_for_the_missing_one():
    mixing, x = trained(TemporalMixing(DIM)), rows(4)
    longer = torch.cat((x[:1], x, x[-1:]))
    torch.testing.assert_close(mixing(x, 4), mixing(longer, 6)[1:-1])
    torch.testing.assert_close(mixing(x[:1], 1), mixing(x[:1].expand(3, -1, -1, -1), 3)[1:2])
    wrong = torch.cat((x[-1:], x, x[:1]))  # as if the clip went round
    assert (mixing(wrong, 6)[1:-1] - mixing(x, 4))[[0, -1]].abs().amax((1, 2, 3)).min() > 0.1


def test_temporal_mixing_knows_earlier_from_later():
    mixing, x = trained(TemporalMixing(DIM)), rows(4)
    assert (mixing(x.flip(0), 4).flip(0) - mixing(x, 4)).abs().max() > 0.1


def test_clips_of_a_batch_do_not_mix():
    mixing = trained(TemporalMixing(DIM))
    one, two = rows(3), rows(3, seed=1)
    torch.testing.assert_close(mixing(torch.cat((one, two)), 3), torch.cat((mixing(one, 3), mixing(two, 3))))
    as_one = mixing(torch.cat((one, two)), 6)
    assert (as_one[:3] - mixing(one, 3)).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_norm_of_pixels_has_no_statistics_over_space(dtype):
    x = rows(2).to(dtype)
    x[..., 8:, 8:] *= 50.0
    norm = PixelNorm(DIM)
    torch.testing.assert_close(norm(x)[..., 2:7, 3:6], norm(x[..., 2:7, 3:6]))
    torch.testing.assert_close(norm(x).square().mean(1), torch.ones(2, 11, 11, dtype=dtype))
    spatial = nn.InstanceNorm2d(DIM)  # the control: a norm over the picture makes a tile another thing
    assert (spatial(x)[..., 2:7, 3:6] - spatial(x[..., 2:7, 3:6])).abs().max() > 0.1


def test_a_tile_with_its_margin_is_a_part_of_the_whole():
    block, level, x = trained(ResidualBlock(DIM, 4)), torch.ones(1, 4, dtype=torch.float64), rows()
    whole = block(x, level)
    for margin, same in ((ResidualBlock.reach, True), (ResidualBlock.reach - 1, False)):
        tile = block(x[..., 4 - margin : 7 + margin, 4 - margin : 7 + margin], level)
        inner = tile[..., margin : margin + 3, margin : margin + 3]
        assert torch.allclose(inner, whole[..., 4:7, 4:7], atol=1e-12) is same


def test_a_fresh_detail_head_is_the_identity_and_a_trained_one_sees_two_pixels_of_its_own_frame():
    video, x_t = rows(3).transpose(0, 1)[None], rows(3, seed=1).transpose(0, 1)[None, :2]
    head = DetailHead(DIM + 2, 4, DIM)
    assert torch.equal(head(video.float(), x_t.float()), video.float())
    trained(head)
    for changed_part in (0, 1):  # of what was drawn, and of what is noisy
        parts = [video.clone(), x_t.clone()]
        parts[changed_part][:, :, 1, 5, 5] += 1.0
        moved = ((head(*parts) - head(video, x_t)) != 0).any(1)[0]
        inside = torch.zeros(3, 11, 11, dtype=torch.bool)
        inside[1, 3:8, 3:8] = True
        assert torch.equal(moved, inside)


@pytest.mark.parametrize("layer", [nn.Conv2d(DIM, 16, 3, padding=1), nn.Conv2d(DIM, 16, 1), nn.Linear(DIM, 16)])
def test_a_row_does_not_depend_on_the_rows_beside_it(layer: nn.Module) -> None:
    x = rows(34, 16, 16).float()
    x = x.mean((2, 3)) if isinstance(layer, nn.Linear) else x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        together = by_row(layer, x)
        assert torch.allclose(together, layer(x), atol=1e-5)
        assert together.stride() == layer(x).stride()
        for count in (1, 2, 5, 33):
            assert torch.equal(by_row(layer, x[:count]), together[:count])
    learning = by_row(layer, x)
    assert torch.equal(learning, layer(x)) and learning.requires_grad  # training is as it was, to the bit
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(by_row(layer, x), layer(x))

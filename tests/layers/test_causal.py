import pytest
import torch
from torch import Tensor, nn

from framefall.layers.causal import CausalBlock, CausalConv, FrameBlock, causally
from framefall.layers.modulation import RMSNorm

EXACT = {"rtol": 1e-5, "atol": 1e-5}  # float32: a kernel of another size adds in another order


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shaken(layer: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.2, generator=generator)
    return layer.eval()


@torch.no_grad()
def test_it_is_a_3d_convolution_of_a_clip_that_stood_still_before():
    layer = shaken(CausalConv(4, 6))
    plain = nn.Conv3d(4, 6, 3, padding=(0, 1, 1))
    plain.weight.copy_(layer.conv.weight.unflatten(1, (3, 4)).transpose(1, 2))
    plain.bias.copy_(layer.conv.bias)
    x = noise(2, 5, 6, 7, 4)
    still = torch.cat((x[:, :1], x[:, :1], x), dim=1).permute(0, 4, 1, 2, 3)
    torch.testing.assert_close(layer(x)[0], plain(still).permute(0, 2, 3, 4, 1), **EXACT)
    zeros = nn.functional.pad(x.permute(0, 4, 1, 2, 3), (0, 0, 0, 0, 2, 0))  # the control
    assert (layer(x)[0] - plain(zeros).permute(0, 2, 3, 4, 1)).abs().max() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("split", [(1, 6), (6, 1), (3, 4), (1, 1, 1, 1, 1, 1, 1), (2, 1, 4)], ids=str)
def test_a_clip_in_pieces_gives_what_the_whole_gives(split):
    layers = [shaken(CausalBlock(4)), shaken(CausalConv(4, 4)), shaken(CausalBlock(4))]
    x = noise(2, 7, 5, 6, 4)
    whole, _ = causally(layers, x, None)
    parts, past = [], None
    for piece in x.split(split, dim=1):
        made, past = causally(layers, piece, past)
        parts.append(made)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, **EXACT)
    forgetful = torch.cat([causally(layers, piece, None)[0] for piece in x.split(split, dim=1)], dim=1)
    assert (forgetful - whole).abs().max() > 1e-2  # the control


@torch.no_grad()
def test_nothing_looks_at_a_later_frame():
    layers, x = [shaken(CausalBlock(4)), shaken(CausalBlock(4))], noise(1, 6, 5, 5, 4)
    later = torch.cat((x[:, :4], noise(1, 2, 5, 5, 4, seed=2)), dim=1)
    one, two = causally(layers, x, None)[0], causally(layers, later, None)[0]
    assert torch.equal(one[:, :4], two[:, :4]) and not torch.equal(one[:, 4:], two[:, 4:])


@torch.no_grad()
@pytest.mark.parametrize("kind", [FrameBlock, CausalBlock])
def test_a_fresh_block_is_the_identity_and_sees_as_far_as_its_reach(kind):
    block, x = kind(4), noise(1, 3, 9, 9, 4)
    assert torch.equal(block(x) if kind is FrameBlock else block(x)[0], x)
    block, moved = shaken(block), x.clone()
    moved[:, 1, 4, 4] += 1.0
    one, two = (block(rows) if kind is FrameBlock else block(rows)[0] for rows in (x, moved))
    rows, columns = ((one != two).any(-1).any(1)[0].any(axis).nonzero() for axis in (1, 0))
    far = [4 - kind.reach, 4 + kind.reach]
    assert [int(rows.min()), int(rows.max())] == far == [int(columns.min()), int(columns.max())]


def test_the_norm_knows_one_pixel_at_a_time():
    x = noise(1, 1, 4, 4, 8)
    assert torch.equal(RMSNorm(8)(x)[:, :, :2], RMSNorm(8)(x[:, :, :2]))

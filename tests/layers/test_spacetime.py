import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framefall.layers.spacetime import CONVOLUTIONS, FactorisedConv, FrameNorm, JointConv, SpaceTimeBlock, along_time

INSIDE, OUTSIDE, FRAMES = 6, 5, 4
KINDS = sorted(CONVOLUTIONS)
FUSING = [kind for kind in KINDS if kind != "per_frame"]


def rows(clips: int = 2, frames: int = FRAMES, dim: int = INSIDE, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(clips * frames, dim, 5, 7, dtype=torch.float64, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def trained(layer: nn.Module) -> nn.Module:
    """In float64, with every weight away from zero."""
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.double().parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=generator) * 0.3
    return layer


def clips(x: Tensor, frames: int = FRAMES) -> Tensor:
    """`[batch, channels, frames, height, width]`, contiguous."""
    return x.unflatten(0, (-1, frames)).transpose(1, 2).contiguous()


def test_a_joint_convolution_is_torchs_3d_convolution():
    layer, x = trained(JointConv(INSIDE, OUTSIDE)), rows()
    before, after = layer.sides
    order = (before, layer.weight, after)
    padded = F.pad(clips(x), (1, 1, 1, 1, 1, 1))
    expected = F.conv3d(padded, torch.stack(order, dim=2), layer.bias)
    torch.testing.assert_close(clips(layer(x, FRAMES)), expected)
    turned = F.conv3d(padded, torch.stack(order[::-1], dim=2), layer.bias)
    assert (clips(layer(x, FRAMES)) - turned).abs().max() > 0.1


def test_a_factorised_convolution_is_the_joint_one_of_a_separable_kernel():
    factorised, joint = (trained(kind(INSIDE, INSIDE)) for kind in (FactorisedConv, JointConv))
    along = torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    factorised.bias.data.zero_()  # a bias would be mixed along time, with zeros beyond the ends
    joint.bias.data.zero_()
    shares = along.clone()
    shares[1] -= 1  # the frame itself is added to what was found along time
    factorised.temporal.weight.data = torch.eye(INSIDE, dtype=torch.float64)[..., None, None] * shares[:, None]
    joint.weight.data = along[1] * factorised.weight.data
    for side, frame in zip(joint.sides, (0, 2), strict=True):
        side.data = along[frame] * factorised.weight.data
    x = rows()
    torch.testing.assert_close(factorised(x, FRAMES), joint(x, FRAMES))
    joint.sides[0].data[0, 0] += 0.1  # no longer separable
    assert (factorised(x, FRAMES) - joint(x, FRAMES)).abs().max() > 0.01


def test_a_convolution_along_time_is_torchs_3d_convolution():
    weight = torch.randn(OUTSIDE, INSIDE, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    padded = F.pad(clips(rows()), (0, 0, 0, 0, 1, 1))
    made = along_time(rows(), weight, FRAMES)
    torch.testing.assert_close(clips(made), F.conv3d(padded, weight[..., None]))
    assert made.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_reaches_those_beside_it(kind):
    layer, x = trained(CONVOLUTIONS[kind](INSIDE, OUTSIDE)), rows(1, 7)
    other = x.clone()
    other[3] += 1.0
    moved = (layer(other, 7) != layer(x, 7)).flatten(1).any(1).nonzero().flatten().tolist()
    assert moved == ([3] if kind == "per_frame" else [2, 3, 4])


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_a_batch_do_not_mix(kind):
    layer, one, two = trained(CONVOLUTIONS[kind](INSIDE, OUTSIDE)), rows(1), rows(1, seed=1)
    together = layer(torch.cat((one, two)), FRAMES)
    torch.testing.assert_close(together, torch.cat((layer(one, FRAMES), layer(two, FRAMES))))
    as_one = layer(torch.cat((one, two)), 2 * FRAMES)
    assert bool((together - as_one).abs().max() > 0.1) is (kind in FUSING)


@pytest.mark.parametrize("kind", FUSING)
def test_a_fresh_layer_and_a_clip_of_one_frame_are_treated_frame_by_frame(kind):
    layer, plain = CONVOLUTIONS[kind](INSIDE, OUTSIDE).double(), CONVOLUTIONS["per_frame"](INSIDE, OUTSIDE)
    plain.double().load_state_dict(layer.state_dict(), strict=False)
    x = rows()
    torch.testing.assert_close(layer(x, FRAMES), plain(x, FRAMES))
    trained(layer)
    plain.load_state_dict(layer.state_dict(), strict=False)
    assert torch.equal(layer(x, 1), plain(x, 1))
    assert (layer(x, FRAMES) - plain(x, FRAMES)).abs().max() > 0.1


@pytest.mark.parametrize("kind", FUSING)
def test_what_starts_at_zero_learns(kind):
    layer, x = CONVOLUTIONS[kind](INSIDE, OUTSIDE).double(), rows()
    layer(x, FRAMES).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_keeps_channels_last(kind):
    made = CONVOLUTIONS[kind](INSIDE, OUTSIDE)(rows().float(), FRAMES)
    assert made.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dim", [5, 32, 96])
def test_a_frame_is_normalised_by_itself(dim):
    x = rows(1, 3, dim)
    norm, scaled = FrameNorm(dim), x * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)[:, None, None, None]
    torch.testing.assert_close(norm(scaled), norm(x), rtol=1e-3, atol=1e-4)  # its epsilon is felt
    groups = norm(x).unflatten(1, (norm.num_groups, -1)).flatten(2)
    torch.testing.assert_close(groups.mean(2), torch.zeros_like(groups[..., 0]), atol=1e-9, rtol=0)
    assert norm.num_groups == max(1, dim // 32) and not list(norm.parameters())
    clipwise = nn.GroupNorm(1, dim).double()  # the control: statistics over the clip join its frames
    assert (clipwise(clips(scaled, 3)) - clipwise(clips(x, 3))).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_block_is_the_identity_and_a_trained_one_is_steered_by_the_level(kind):
    block, x = SpaceTimeBlock(INSIDE, 3, kind).double(), rows()
    level = torch.randn(2, FRAMES, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    assert torch.equal(block(x, level, FRAMES), x)
    trained(block)
    for_clip = block(x, level[:, :1], FRAMES)
    torch.testing.assert_close(block(x, level[:, :1].expand(-1, FRAMES, -1), FRAMES), for_clip)
    moved = (block(x, level, FRAMES) - for_clip).unflatten(0, (2, FRAMES)).abs().amax((2, 3, 4))
    assert moved[:, 0].max() < 1e-9 and moved[:, 1:].min() > 1e-3  # each frame has its own

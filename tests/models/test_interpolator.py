from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.models.backbone import Condition
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.unet import UNetConfig

CONVOLUTIONS = UNetConfig(dim=8, multipliers=(1, 2), blocks=(1, 1), head_dim=8, spatial_from=1, temporal_from=0)


def keyframes(fraction: float, frames: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    before, after = torch.rand(2, 1, 3, frames, 8, 8, generator=generator) * 2 - 1
    return before, after, torch.full((1, 1, frames, 8, 8), fraction)


def between(network, fraction: float) -> Tensor:
    before, after, way = keyframes(fraction)
    condition = Condition(
        seconds=torch.zeros(1, 2), low_res=torch.cat((before, after, way), dim=1), low_res_noise=torch.zeros(1)
    )
    with torch.no_grad():
        return network(torch.randn_like(before), torch.rand(1), condition)


@pytest.fixture(params=["patches", "convolutions"])
def config(toys, request):
    """An interpolator of either trunk."""
    patches = toys[InterpolatorConfig]()
    return patches if request.param == "patches" else replace(patches, trunk=CONVOLUTIONS)


@pytest.mark.parametrize("fraction", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_untrained_it_is_the_linear_blend(config, fresh, fraction):
    before, after, _ = keyframes(fraction)
    found = between(fresh(config), fraction)
    # the bilinear fetch adds weights that sum to one within float32, at coordinates known to 1e-6 pixels
    torch.testing.assert_close(found, torch.lerp(before, after, fraction), rtol=0, atol=1e-5)
    assert (found - torch.lerp(after, before, fraction)).abs().max() > (0.3 if fraction != 0.5 else -1)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_at_a_keyframe_a_hundredth_of_the_other_one_stays(toys, fresh, fraction):
    """The share is clamped there, so that the mask keeps a gradient; the stage puts given frames in itself."""
    before, after, _ = keyframes(fraction)
    share = min(max(fraction, 0.01), 0.99)
    found = between(fresh(toys[InterpolatorConfig]()), fraction)
    torch.testing.assert_close(found, torch.lerp(before, after, share), rtol=0, atol=1e-5)
    assert (found - torch.lerp(before, after, fraction)).abs().max() > 1e-3


def test_trained_it_may_say_anything(config, trained):
    before, after, _ = keyframes(0.5)
    assert (between(trained(config), 0.5) - torch.lerp(before, after, 0.5)).abs().max() > 0.1


def test_a_network_that_moves_one_keyframe_moves_pixels(toys, fresh):
    network = fresh(toys[InterpolatorConfig]())
    before, _, _ = keyframes(0.5)
    bias = network.trunk.proj_out.bias.data.view(-1, 8)  # for each pixel of a patch: 2 flows, mask, 3 residuals
    bias[:, 0] = 0.5  # two pixels: outputs count four each
    bias[:, 4] = 50.0  # all of it from the keyframe before
    found = between(network, 0.5)
    torch.testing.assert_close(found[..., :6], before[..., 2:], rtol=0, atol=1e-5)
    assert (found - before).abs().max() > 0.1


def test_the_mask_chooses_a_keyframe_and_the_residual_adds_to_it(toys, fresh):
    network = fresh(toys[InterpolatorConfig]())
    _, after, _ = keyframes(0.5)
    bias = network.trunk.proj_out.bias.data.view(-1, 8)
    bias[:, 4], bias[:, 5:] = -50.0, 0.125
    torch.testing.assert_close(between(network, 0.5), after + 0.125, rtol=0, atol=1e-5)


def test_without_keyframes_it_says_what_it_needs(toys, fresh, inputs):
    config = toys[InterpolatorConfig]()
    x_t, t, condition = inputs(config)
    with pytest.raises(ValueError, match=r"an interpolator needs the keyframes as condition\.low_res, got none"):
        fresh(config)(x_t, t, replace(condition, low_res=None))


def test_convolutions_move_pixels_too(toys, fresh):
    network = fresh(replace(toys[InterpolatorConfig](), trunk=CONVOLUTIONS))
    before, _, _ = keyframes(0.5)
    bias = network.trunk.conv_out.bias.data
    bias[0], bias[4] = 0.5, 50.0
    found = between(network, 0.5)
    torch.testing.assert_close(found[..., :6], before[..., 2:], rtol=0, atol=1e-5)
    assert (found - before).abs().max() > 0.1


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_config_knows_what_it_must_be_shown(channels, fresh):
    config = InterpolatorConfig(channels=channels)
    assert config.low_res_channels == 2 * channels + 1
    trunk = fresh(config).trunk.config
    assert (trunk.channels, trunk.low_res_channels, trunk.out_channels) == (channels, 2 * channels + 1, channels + 5)

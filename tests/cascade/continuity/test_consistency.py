from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade, CascadeConfig, finished
from framefall.cascade.continuity.consistency import match_blocks
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.video import resize

CLOSE = 2e-6  # a float32 mean of 16 pixels of size 1


def noise(*shape: int, seed: int = 0, size: float = 1.0) -> Tensor:
    return size * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gap(large: Tensor, low: Tensor) -> float:
    return float((resize(large, low.shape[-2], low.shape[-1], "area") - low).abs().max())


@pytest.mark.parametrize("size", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_area_mean_is_the_small_clip_and_every_pixel_in_range(size: float, channels: int):
    large, low = noise(2, channels, 3, 16, 24, size=size), noise(2, channels, 3, 4, 8, seed=1).clamp(-1, 1)
    made = match_blocks(large, low)
    assert gap(made, low) < CLOSE and made.abs().max() <= 1 + CLOSE
    assert gap(large, low) > 0.1  # the control


def test_clipping_alone_or_adding_alone_would_not_do():
    large, low = noise(1, 3, 2, 8, 8), noise(1, 3, 2, 2, 2, seed=1).clamp(-1, 1)
    added = large + (low - resize(large, 2, 2, "area")).repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert added.abs().max() > 1.5 and gap(added.clamp(-1, 1), low) > 0.02


def test_black_and_white_and_overshooting_small_clips_are_met_as_far_as_can_be():
    low = torch.tensor([-1.0, 1.0, 3.0, -2.0]).reshape(1, 1, 1, 2, 2)
    made = match_blocks(noise(1, 1, 1, 8, 8), low)
    assert gap(made, low.clamp(-1, 1)) < CLOSE and made.abs().max() <= 1


def test_it_moves_as_little_as_it_can():
    large, low = noise(1, 1, 1, 4, 4), torch.full((1, 1, 1, 1, 1), 0.6)
    made = match_blocks(large, low)
    nearest = (made - large).square().sum()
    generator = torch.Generator().manual_seed(3)
    for _ in range(50):  # other clips of that mean and range, near and far
        step = torch.randn(1, 1, 1, 4, 4, generator=generator) * torch.rand(1, generator=generator)
        other = match_blocks(made + step, low)
        assert (other - large).square().sum() > nearest - 1e-5


def test_what_is_consistent_stays_and_twice_is_once():
    large = noise(1, 3, 2, 8, 8).clamp(-1, 1)
    torch.testing.assert_close(match_blocks(large, resize(large, 2, 2, "area")), large, atol=CLOSE, rtol=0)
    low = noise(1, 3, 2, 2, 2, seed=1).clamp(-1, 1)
    once = match_blocks(large, low)
    torch.testing.assert_close(match_blocks(once, low), once, atol=2 * CLOSE, rtol=0)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="whole number of times"):
        match_blocks(noise(1, 3, 1, 9, 8), noise(1, 3, 1, 4, 4))


def test_a_real_stage_is_not_consistent_until_it_is_projected(spatial: Stage, run, moving):
    low = moving(3, 8, 8)
    made = run(spatial, low, range(3), Sampling(low_res_noise=0.0))
    assert gap(made, low) > 0.01
    assert gap(match_blocks(made, low), low) < CLOSE


def test_temporal_super_resolution_keeps_given_frames_by_itself(temporal: Stage, run, moving):
    low = moving(4, 16, 16)
    made = torch.cat((low[:, :, :1], run(temporal, low, range(1, 7), Sampling())), dim=2)
    assert torch.equal(made[:, :, ::2], low)


def test_a_cascade_can_be_told_to_keep_the_means_of_what_it_enlarges(cascade, moving):
    low = moving(6, 16, 16)
    spatial = cascade.stage("spatial_sr")

    def enlarged(consistent: bool) -> torch.Tensor:
        fast = replace(spatial.config.fast, consistent=consistent)
        config = replace(spatial.config, fast=fast)
        stage = Stage(name="spatial_sr", config=config, backbone=spatial.backbone)
        alone = Cascade(config=CascadeConfig(name="toy", stages={"spatial_sr": config}), stages=(stage,))
        events = alone.upscale(iter([low]), stages=["spatial_sr"], fps=12.0)
        return torch.cat(list(finished(events, stage.name)), dim=2)

    for consistent, close in ((True, True), (False, False)):
        error = (resize(enlarged(consistent), 16, 16, "area") - low).abs().max()
        assert bool(error < 1e-5) == close

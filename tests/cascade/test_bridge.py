"""Super-resolution starts from a guess: how the guess, the noisy video and the network are weighed."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import Shown
from framefall.cascade.stage import Sampling, Stage
from framefall.models.backbone import Condition
from framefall.video import resize

ONE = Sampling(steps=1, low_res_noise=0.0)


def bridge(stage: Stage, t: float, x_t: Tensor, prior: Tensor) -> Tensor:
    condition = Condition(seconds=torch.zeros(len(x_t), x_t.shape[2]), low_res=prior, prior=prior)
    with torch.no_grad():
        return stage.x0(x_t, torch.full((len(x_t),), t), condition)


def videos(count: int) -> list[Tensor]:
    return list(torch.randn(count, 2, 3, 2, 8, 8, generator=torch.Generator().manual_seed(4)))


def test_at_time_1_the_noisy_video_counts_nothing(spatial, configs, learned):
    one, two, prior = videos(3)
    assert torch.equal(bridge(spatial, 1.0, one, prior), bridge(spatial, 1.0, two, prior))
    assert not torch.equal(bridge(spatial, 0.9, one, prior), bridge(spatial, 0.9, two, prior))
    plain = learned("spatial_sr", replace(configs["spatial_sr"], bridge=None))
    assert not torch.equal(bridge(plain, 1.0, one, prior), bridge(plain, 1.0, two, prior))


@pytest.mark.parametrize("t", [1e-3, 1e-6, 0.0])
def test_near_time_0_the_measurement_counts_alone(spatial, t):
    x_t, prior = videos(2)
    measured = (x_t - t * prior) / (1 - t)
    # what is left of the proposal, which is about 20 here: (sigma bridge / spread)^2, at t = 1e-3 about 1e-5 of it
    torch.testing.assert_close(bridge(spatial, t, x_t, prior), measured, rtol=0, atol=5e-4)
    assert (bridge(spatial, 0.5, x_t, prior) - measured).abs().max() > 0.1


@pytest.mark.parametrize("process", ["rectified_flow", "cosine"])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_between_the_proposal_and_the_measurement_count_by_their_precision(configs, fresh, t, process):
    """Untrained, the network proposes the prior itself: the posterior of two normal distributions is known."""
    config = replace(configs["spatial_sr"], process=process)
    stage, (x_t, prior) = fresh("spatial_sr", config), videos(2)
    alpha, sigma = (float(scale) for scale in stage.process.scales(torch.tensor([t], dtype=torch.float64)))

    def posterior(spread: float) -> Tensor:
        believed, measured = 1 / spread**2, (alpha / (sigma * config.bridge)) ** 2
        return (believed * prior + measured * (x_t - sigma * prior) / alpha) / (believed + measured)

    found = bridge(stage, t, x_t, prior)
    torch.testing.assert_close(found, posterior(config.spread), rtol=1e-4, atol=1e-5)
    assert (found - posterior(2 * config.spread)).abs().max() > 0.01


def test_a_bridge_ends_at_its_prior_and_some_noise(spatial, base):
    noise, prior = videos(2)
    end = spatial.endpoint(noise, Shown(prior=prior))
    torch.testing.assert_close(end, prior + spatial.config.bridge * noise)
    assert base.endpoint(noise, Shown()) is noise


def test_untrained_spatial_super_resolution_is_the_bicubic_enlargement(run, configs, fresh, moving):
    stage, low = fresh("spatial_sr", configs["spatial_sr"]), moving(3)
    assert torch.equal(run(stage, low, range(3), ONE), resize(low, 16, 16))
    corrupted = run(stage, low, range(3), replace(ONE, low_res_noise=0.3))
    assert (corrupted - resize(low, 16, 16)).abs().mean() > 0.05


def test_untrained_temporal_super_resolution_leaves_a_still_video_still(run, configs, fresh, moving, float32):
    stage = fresh("temporal_sr", configs["temporal_sr"])
    low = moving(1, 16, 16).expand(-1, -1, 4, -1, -1)
    out = run(stage, low, range(1, 7), ONE)
    torch.testing.assert_close(out, low[:, :, :1].expand_as(out), rtol=0, atol=1e-4)

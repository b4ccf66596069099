import math

import pytest
import torch

from framefall.diffusion.process import PROCESSES, Cosine, Process, RectifiedFlow, over_video

TIMES = torch.linspace(0.0, 1.0, 41, dtype=torch.float64)
every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)


def clips(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rate_error(process: Process) -> float:
    """The largest relative difference of the stated rates to those that automatic differentiation finds."""
    t = TIMES.clone().requires_grad_()
    worst = 0.0
    for scale, stated in zip(process.scales(t), process.rates(t), strict=True):
        # EDM's alpha is a constant, which autograd does not connect to t
        true = torch.autograd.grad(scale.sum(), t)[0] if scale.requires_grad else torch.zeros_like(t)
        worst = max(worst, float(((stated - true).detach().abs() / (1 + true.abs())).max()))
    return worst


@every_process
def test_rates_are_the_derivatives_of_scales(process):
    assert rate_error(process) < 1e-12  # float64 rounding of a few operations


def test_a_wrong_rate_is_noticed():
    class Wrong(Cosine):
        def rates(self, t):
            return -self.scales(t)[1], self.scales(t)[0]  # pi / 2 forgotten

    assert rate_error(Wrong()) > 0.1


@every_process
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_time_0_is_data_exactly(process, dtype):
    alpha, sigma = process.scales(torch.zeros(1, dtype=dtype))
    assert (alpha.item(), sigma.item()) == (1.0, 0.0)
    x0, noise = clips(1, 2, 3, 2, 4, 4), clips(2, 2, 3, 2, 4, 4)
    assert torch.equal(process.add_noise(x0, noise, torch.zeros(2)), x0)


@pytest.mark.parametrize("name", ["rectified_flow", "cosine"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_time_1_is_noise_exactly_where_alpha_reaches_0(name, dtype):
    alpha, sigma = PROCESSES[name].scales(torch.ones(1, dtype=dtype))
    assert (alpha.item(), sigma.item()) == (0.0, 1.0)
    # the control: written as a cosine it would miss 0, and with it the exact start of every sampler
    assert torch.cos(torch.tensor(math.pi / 2, dtype=dtype)).item() != 0.0


def test_edm_ends_at_80_times_the_noise():
    alpha, sigma = PROCESSES["edm"].scales(torch.ones(1))
    assert (alpha.item(), sigma.item()) == (1.0, 80.0)


@every_process
def test_signal_falls_and_noise_rises(process):
    alpha, sigma = process.scales(TIMES)
    assert (alpha.diff() <= 0).all() and (sigma.diff() > 0).all()
    assert (process.log_snr(TIMES).diff() < 0).all()
    assert process.log_snr(TIMES)[0] == math.inf


def test_the_cosine_process_keeps_the_variance():
    alpha, sigma = Cosine().scales(TIMES)
    torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones_like(TIMES))


@every_process
def test_each_clip_has_its_own_time(process):
    x0, noise, t = clips(1, 3, 2, 2, 4, 4), clips(2, 3, 2, 2, 4, 4), TIMES[[3, 20, 37]]
    together = process.add_noise(x0, noise, t)
    for clip in range(3):
        one = slice(clip, clip + 1)
        assert torch.equal(together[one], process.add_noise(x0[one], noise[one], t[one]))
    assert not torch.equal(together, process.add_noise(x0, noise, t.flip(0)))


@every_process
def test_velocity_is_how_x_t_moves(process):
    x0, noise, t = clips(1, 3, 2, 2, 4, 4), clips(2, 3, 2, 2, 4, 4), TIMES[[10, 20, 30]]
    velocity = sum(over_video(rate, x0) * part for rate, part in zip(process.rates(t), (x0, noise), strict=True))
    step = 1e-5  # the central difference is wrong by step^2 and by rounding / step: both below 1e-8 here
    moved = process.add_noise(x0, noise, t + step) - process.add_noise(x0, noise, t - step)
    torch.testing.assert_close(velocity, moved / (2 * step), rtol=1e-6, atol=1e-6)


@every_process
def test_a_sampler_starts_where_x0_no_longer_matters(process):
    x0, noise = clips(1, 2, 3, 2, 4, 4), clips(2, 2, 3, 2, 4, 4)
    at_the_end = process.add_noise(x0, noise, torch.ones(2))
    alpha, _ = process.scales(torch.ones(2))
    torch.testing.assert_close(process.start(noise), at_the_end - over_video(alpha, x0) * x0)


@every_process
def test_a_network_sees_inputs_of_unit_size(process):
    x0, noise = clips(1, 41, 3, 4, 16, 16), clips(2, 41, 3, 4, 16, 16)
    seen = process.scale_input(process.add_noise(x0, noise, TIMES), TIMES).flatten(1).std(dim=1)
    # 3072 numbers a clip: the standard error of a spread is 1.3%; a flow is left bare, and at t = 1/2 has sqrt(1/2)
    low = 0.66 if isinstance(process, RectifiedFlow) else 0.93
    assert low < seen.min() and seen.max() < 1.07
    if process == PROCESSES["edm"]:
        assert process.add_noise(x0, noise, TIMES).flatten(1).std(dim=1).max() > 70  # without it


def test_edm_refuses_a_path_without_noise():
    with pytest.raises(ValueError, match="sigma_max must be above 0"):
        type(PROCESSES["edm"])(sigma_max=0.0)

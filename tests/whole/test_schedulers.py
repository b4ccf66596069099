"""Our samplers beside the schedulers of diffusers: the same network, noise and times give the same video.

Its scheduler steps by what its own papers' networks put out (velocity, v, F of EDM); ours by x0. So that only the
solver is compared, one network says x0 and each side is given that in its own words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from framefall.diffusion.process import EDM, Cosine, Process, RectifiedFlow
from framefall.diffusion.samplers import SAMPLERS
from framefall.diffusion.times import grid

pytestmark = pytest.mark.skipif(find_spec("diffusers") is None, reason="the extra framefall[diffusers]")

STEPS, SHIFT = 10, 3.0  # 1000 steps of training are a multiple: else DDIMScheduler is off its own grid
CLOSE = 1e-5  # relative; the schedulers keep their sigmas in float32


class Network(nn.Module):
    """A denoiser that is far from linear, in float64: two space-time convolutions that are told the noise."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv3d(4, 16, 3, padding=1).double()
            self.last = nn.Conv3d(16, 3, 3, padding=1).double()
        self.requires_grad_(False)

    def forward(self, x: Tensor, alpha: float, sigma: float) -> Tensor:
        scaled = x / (alpha**2 + sigma**2) ** 0.5
        told = torch.full_like(scaled[:, :1], float(torch.tensor(sigma / (1 + sigma))))
        return torch.tanh(self.last(torch.sin(2 * self.first(torch.cat((scaled, told), dim=1)))))


@dataclass(frozen=True)
class Case:
    """A scheduler, the sampler and process that are to equal it, and how its network speaks."""

    sampler: str
    process: Process
    make: Callable[[], Any]  # the scheduler, its times set
    times: Callable[[Any], Tensor]  # ours, of a scheduler
    output: Callable[[Tensor, Tensor, float, float, Any], Tensor]  # of x, x0, alpha, sigma and the scheduler


def flow_times(scheduler: Any) -> Tensor:
    return torch.unique_consecutive(scheduler.sigmas.double())


def velocity(x: Tensor, x0: Tensor, alpha: float, sigma: float, scheduler: Any) -> Tensor:
    return (x - x0) / sigma


def v(x: Tensor, x0: Tensor, alpha: float, sigma: float, scheduler: Any) -> Tensor:
    return alpha * (x - alpha * x0) / sigma - sigma * x0


def edm(x: Tensor, x0: Tensor, alpha: float, sigma: float, scheduler: Any) -> Tensor:
    data = scheduler.config.sigma_data
    skip, out = data**2 / (sigma**2 + data**2), sigma * data / (sigma**2 + data**2) ** 0.5
    return (x0 - skip * x) / out


def edm_times(scheduler: Any) -> Tensor:
    return (scheduler.sigmas.double() / 80.0) ** (1 / 7)


def ddim_times(scheduler: Any) -> Tensor:
    alpha = scheduler.alphas_cumprod.double()[scheduler.timesteps].sqrt()
    return torch.cat((torch.arccos(alpha) * 2 / torch.pi, torch.zeros(1).double()))


def scheduler_of(name: str, **settings: Any) -> Any:
    """One of diffusers' schedulers; the library is loaded when the first is made, and not to collect tests."""
    from diffusers import schedulers

    return getattr(schedulers, name)(**settings)


def timed(scheduler: Any, **steps: Any) -> Any:
    scheduler.set_timesteps(**steps)
    return scheduler


CASES = {
    "FlowMatchEuler": Case(
        sampler="euler",
        process=RectifiedFlow(),
        # our own even grid, which it bends by its own shift
        make=lambda: timed(
            scheduler_of("FlowMatchEulerDiscreteScheduler", shift=SHIFT), sigmas=grid(STEPS)[:-1].float().tolist()
        ),
        times=lambda scheduler: grid(STEPS, shift=SHIFT),
        output=velocity,
    ),
    "FlowMatchHeun": Case(
        sampler="heun",
        process=RectifiedFlow(),
        make=lambda: timed(scheduler_of("FlowMatchHeunDiscreteScheduler", shift=SHIFT), num_inference_steps=STEPS),
        times=flow_times,
        output=velocity,
    ),
    "DDIM": Case(
        sampler="ddim",
        process=Cosine(),
        make=lambda: timed(
            scheduler_of(
                "DDIMScheduler",
                prediction_type="v_prediction",
                rescale_betas_zero_snr=True,
                timestep_spacing="trailing",
                clip_sample=False,
            ),
            num_inference_steps=STEPS,
        ),
        times=ddim_times,
        output=v,
    ),
    "EDMEuler": Case(
        sampler="euler",
        process=EDM(),
        make=lambda: timed(scheduler_of("EDMEulerScheduler"), num_inference_steps=STEPS),
        times=edm_times,
        output=edm,
    ),
    "EDMDPM++2M": Case(
        sampler="dpm++2m",
        process=EDM(),
        make=lambda: timed(scheduler_of("EDMDPMSolverMultistepScheduler"), num_inference_steps=STEPS),
        times=edm_times,
        output=edm,
    ),
}


def noise() -> Tensor:
    return torch.randn(2, 3, 4, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def ours(case: Case, times: Tensor) -> Tensor:
    network = Network()

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = case.process.scales(t[:1].double())
        return network(x, float(alpha), float(sigma))

    start = case.process.start(noise())
    *_, last = SAMPLERS[case.sampler](denoise, case.process, start, times, None)
    return last.x


def theirs(case: Case, scheduler: Any) -> Tensor:
    """Their loop; at which sigma it is asked is read off the times that both walk."""
    network, times = Network(), case.times(scheduler)
    x, calls = case.process.start(noise()), asked(case, times)
    for timestep, at in zip(scheduler.timesteps, calls.split(1), strict=True):
        alpha, sigma = (float(scale) for scale in case.process.scales(at))
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(x, timestep)  # counts its steps
        output = case.output(x, network(x, alpha, sigma), alpha, sigma, scheduler)
        x = scheduler.step(output, timestep, x, return_dict=False)[0]
    return x


def asked(case: Case, times: Tensor) -> Tensor:
    """The times at which a network is asked: by Heun's method again at the end of each step but the last."""
    if case.sampler != "heun":
        return times[:-1]
    return torch.cat((times[:1], times[1:-1].repeat_interleave(2)))


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_sampler_equals_the_scheduler_of_diffusers(case: Case) -> None:
    scheduler = case.make()
    times = case.times(scheduler)
    assert float(times[0]) == pytest.approx(1, abs=1e-6) and float(times[-1]) == 0 and len(times) == STEPS + 1
    assert apart(ours(case, times), theirs(case, scheduler)) < CLOSE


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_on_a_shifted_grid_it_would_not(case: Case) -> None:
    scheduler = case.make()
    times = case.times(scheduler)
    shifted = 1.05 * times / (1 + 0.05 * times)
    assert apart(ours(case, shifted), theirs(case, scheduler)) > 30 * CLOSE

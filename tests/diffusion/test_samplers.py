"""Samplers against data with an exact answer: x0 ~ N(MEAN, SPREAD^2), whose best denoiser is linear."""

import math

import pytest
import torch

from examples import examples
from framefall.diffusion.process import PROCESSES, RectifiedFlow, over_video
from framefall.diffusion.samplers import SAMPLERS, Step, ancestral, euler, heun, predictor_corrector
from framefall.diffusion.times import grid

MEAN, SPREAD = 0.3, 0.5
ORDERS = {"euler": 1, "heun": 2, "dpm++2m": 2}
every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
one_process = examples(pytest.mark.parametrize("process", [RectifiedFlow()], ids=["rectified_flow"]), every_process)


def marginal(process, t, prior=0.0, width=1.0):
    """Mean and variance of x_t when the endpoint is N(prior, width^2)."""
    alpha, sigma = process.scales(t)
    return alpha * MEAN + sigma * prior, (alpha * SPREAD).square() + (sigma * width).square()


def best(process, prior=0.0, width=1.0):
    """The denoiser of least error: the mean of x0 given x_t."""

    def denoise(x, t):
        mean, variance = (over_video(v, x) for v in marginal(process, t, prior, width))
        alpha = over_video(process.scales(t)[0], x)
        return MEAN + alpha * SPREAD**2 / variance * (x - mean)

    return denoise


def endpoint(prior=0.0, width=1.0, seed=0, count=64):
    noise = torch.randn(2, 1, 1, 1, count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return prior + width * noise


def last(steps) -> Step:
    *_, step = steps
    return step


def error(sampler, process, steps, begin=1.0, end=0.0, **bridge) -> float:
    """Distance to the ODE's end: a Gaussian is carried to a Gaussian by the affine map between them."""
    t = torch.full((2,), begin, dtype=torch.float64)
    x = process.add_noise(torch.full((2, 1, 1, 1, 64), MEAN).double(), endpoint(**bridge), t)
    mean, variance = marginal(process, torch.tensor([begin, end], dtype=torch.float64), **bridge)
    exact = mean[1] + (variance[1] / variance[0]).sqrt() * (x - mean[0])
    found = last(sampler(best(process, **bridge), process, x, end + (begin - end) * grid(steps), None)).x
    return float((found - exact).square().mean().sqrt())


def order(sampler, process, **walk) -> float:
    """How many times the error halves when the steps double."""
    few, many = (error(sampler, process, steps, **walk) for steps in (128, 512))
    assert many < 0.005
    return math.log2(few / many) / 2


@one_process
@pytest.mark.parametrize("name", ORDERS)
def test_a_sampler_converges_with_its_order(name, process):
    # 0.15: what is left of higher orders at 128 steps
    assert order(SAMPLERS[name], process, begin=0.95, end=0.3) == pytest.approx(ORDERS[name], abs=0.15)


@every_process
@pytest.mark.parametrize("name", ORDERS)
def test_a_sampler_keeps_its_order_from_noise_to_data(name, process):
    # 2M thinks in lambda, whose steps do not shrink where it is infinite, at t = 0 and at alpha = 0: its error
    # is steps^-2 * log(steps) then, which reads as 1.8 on a flow and 1.55 on the cosine at these steps
    loss = 0.5 if name == "dpm++2m" else 0.1
    assert ORDERS[name] - loss < order(SAMPLERS[name], process) < ORDERS[name] + 0.1


@pytest.mark.parametrize("name", ORDERS)
def test_a_sampler_converges_on_a_bridge(name):
    found = order(SAMPLERS[name], RectifiedFlow(), begin=0.95, end=0.3, prior=-0.4, width=0.35)
    assert found == pytest.approx(ORDERS[name], abs=0.15)


@one_process
def test_without_its_second_look_heun_is_of_first_order(process):
    def lazy(denoise, process, x, times, fresh):
        memory = []

        def stale(x, t):  # at the far end it repeats what it said at the near one
            memory.append(denoise(x, t) if len(memory) % 2 == 0 else memory[-1])
            return memory[-1]

        return heun(stale, process, x, times, fresh)

    assert order(lazy, process) < 1.3 and order(heun, process) > 1.9


@every_process
@pytest.mark.parametrize("name", SAMPLERS)
def test_one_step_returns_what_the_denoiser_believes(name, process):
    x, asked = process.start(endpoint()), []

    def denoise(x, t):
        asked.append(t)
        return 0.7 * x - 0.1

    (step,) = SAMPLERS[name](denoise, process, x, grid(1), lambda draw: endpoint(seed=draw + 1))
    assert torch.equal(step.x, 0.7 * x - 0.1) and torch.equal(step.x, step.x0)
    assert torch.equal(torch.stack(asked), torch.ones(1, 2, dtype=torch.float64))  # one call, at t = 1


def test_a_bridge_begins_at_its_prior():
    prior = torch.linspace(-0.8, 0.8, 64, dtype=torch.float64).expand(2, 1, 1, 1, 64)
    x = prior + 0.35 * endpoint()
    (step,) = euler(lambda x, t: x - 0.35 * endpoint(), RectifiedFlow(), x, grid(1))
    torch.testing.assert_close(step.x, prior)


@every_process
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_steady_belief_is_walked_to_exactly(name, process):
    x0 = endpoint(seed=9).clamp(-1, 1)
    steps = list(
        SAMPLERS[name](lambda x, t: x0, process, process.start(endpoint()), grid(7, 2.0), lambda d: endpoint())
    )
    assert torch.equal(steps[-1].x, x0)
    assert [step.index for step in steps] == list(range(7)) and {step.total for step in steps} == {7}
    assert [step.t for step in steps] == grid(7, 2.0)[1:].tolist()
    if name in ORDERS:  # on the way it is on the straight path between x0 and the endpoint
        x, noise = steps[3].x, (process.start(endpoint()) - process.scales(torch.ones(1))[0].item() * x0)
        noise = noise / process.scales(torch.ones(1))[1].item()
        torch.testing.assert_close(x, process.add_noise(x0, noise, torch.full((2,), steps[3].t, dtype=torch.float64)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_price_is_one_call_a_step_and_two_for_those_that_look_again(name):
    calls = []

    def denoise(x, t):
        calls.append(t)
        return 0.5 * x

    x = RectifiedFlow().start(endpoint())
    last(SAMPLERS[name](denoise, RectifiedFlow(), x, grid(6), lambda draw: endpoint(seed=draw)))
    # a step to t = 0 leaves nothing to look at twice
    assert len(calls) == (11 if name in ("heun", "predictor_corrector") else 6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_walk_may_begin_and_end_between(name):
    """Noise a clip half and denoise it (SDEdit), or stop early."""
    process, x0 = RectifiedFlow(), endpoint(seed=3)
    x = process.add_noise(x0, endpoint(), torch.full((2,), 0.5, dtype=torch.float64))
    times = torch.tensor([0.5, 0.4, 0.2], dtype=torch.float64)
    step = last(SAMPLERS[name](lambda x, t: x0, process, x, times, lambda draw: endpoint()))
    assert step.t == 0.2
    if name in ORDERS:
        torch.testing.assert_close(
            step.x, process.add_noise(x0, endpoint(), torch.full((2,), 0.2, dtype=torch.float64))
        )


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_clip_does_not_depend_on_its_batch(name):
    process, noise = RectifiedFlow(), endpoint().float()

    def walk(clips):
        def fresh(draw):
            return endpoint(seed=draw).float()[clips]

        return last(SAMPLERS[name](best(process), process, noise[clips], grid(5), fresh)).x

    assert torch.equal(walk(slice(0, 2))[1:], walk(slice(1, 2)))


SAMPLES = examples(4_000, 20_000)


def miss(sampler, process, prior, width) -> float:
    """How far the mean or the spread of many samples is from the data's, whichever is worse."""

    def fresh(draw):
        return endpoint(prior, width, seed=draw + 1, count=SAMPLES // 2)

    x = process.add_noise(torch.full((2, 1, 1, 1, SAMPLES // 2), MEAN).double(), fresh(-1), torch.ones(2))
    x = last(sampler(best(process, prior, width), process, x, grid(400), fresh)).x
    return max(abs(x.mean().item() - MEAN), abs(x.std().item() - SPREAD))


# four standard errors of the samples' mean, 0.014 of 20,000; 400 steps add a bias of up to 0.009 (0.035 at 100)
CLOSE = 4 * SPREAD / math.sqrt(SAMPLES) + 0.009


WALKS = {
    f"{name}-{kind}": (process, *ends)
    for name, process in PROCESSES.items()
    for kind, ends in {"gaussian": (0.0, 1.0), "bridge": (-0.8, 0.35)}.items()
    if kind == "gaussian" or isinstance(process, examples(RectifiedFlow, object))
}


@pytest.mark.parametrize("process, prior, width", WALKS.values(), ids=WALKS)
@pytest.mark.parametrize("sampler", [ancestral, pytest.param(predictor_corrector, marks=pytest.mark.slow)])
def test_samples_of_renewed_noise_have_the_mean_and_spread_of_the_data(sampler, process, prior, width):
    assert miss(sampler, process, prior, width) < CLOSE


def test_a_corrector_mends_what_came_before_it():
    """From samples that are twice as wide as they should be at t = 0.5, walked on to the data.

    The controls: no fresh noise, which keeps the fault, and fresh noise without a corrector, which keeps more of it.
    """
    process, times = RectifiedFlow(), 0.5 * grid(100)
    wide = MEAN + 2 * SPREAD * endpoint(count=10_000)

    def fault(sampler) -> float:
        x = process.add_noise(wide, endpoint(seed=1, count=10_000), torch.full((2,), 0.5).double())
        walk = sampler(best(process), process, x, times, lambda draw: endpoint(seed=2 + draw, count=10_000))
        return abs(float(last(walk).x.std()) - SPREAD)

    mended = fault(predictor_corrector)
    assert mended < 0.75 * fault(ancestral) < 0.2 * fault(euler)


@pytest.mark.parametrize("sampler", [ancestral, predictor_corrector])
def test_renewing_asks_for_fresh_noise(sampler):
    with pytest.raises(ValueError, match="needs fresh noise, got fresh=None"):
        last(sampler(best(RectifiedFlow()), RectifiedFlow(), endpoint(), grid(2), None))

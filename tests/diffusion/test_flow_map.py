"""Flow maps against data whose exact map is known: x0 ~ N(MEAN, SPREAD^2), carried along by an affine map."""

from itertools import pairwise

import pytest
import torch

from framefall.diffusion.flow_map import adaptive, joined, split_target, step
from framefall.diffusion.process import PROCESSES, RectifiedFlow, over_video
from framefall.diffusion.samplers import euler
from framefall.diffusion.times import grid

MEAN, SPREAD = 0.3, 0.5
every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
SPANS = [(1.0, 0.6, 0.2), (1.0, 0.5, 0.0), (0.7, 0.65, 0.6), (0.3, 0.1, 0.0)]


def time(value):
    return torch.full((2,), value, dtype=torch.float64)


def marginal(process, t):
    alpha, sigma = process.scales(t)
    return alpha * MEAN, (alpha * SPREAD).square() + sigma.square()


def carried(process, x, t, until):
    """Where the sampling path through x is at `until`."""
    (mean, variance), (mean_until, variance_until) = marginal(process, t), marginal(process, until)
    return over_video(mean_until, x) + over_video((variance_until / variance).sqrt(), x) * (x - over_video(mean, x))


def exact(process):
    """The flow map of these data: the x0 with which one step lands where the path does."""

    def flow_map(x, t, until):
        if torch.equal(t, until):
            return denoiser(process)(x, t)
        (alpha, sigma), (alpha_until, sigma_until) = process.scales(t), process.scales(until)
        ratio = sigma_until / sigma
        end = carried(process, x, t, until)
        return (end - over_video(ratio, x) * x) / over_video(alpha_until - ratio * alpha, x)

    return flow_map


def denoiser(process):
    def denoise(x, t):
        mean, variance = (over_video(v, x) for v in marginal(process, t))
        return MEAN + over_video(process.scales(t)[0], x) * SPREAD**2 / variance * (x - mean)

    return denoise


def noisy(process, t):
    draw = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(2, 1, 1, 1, 64, dtype=torch.float64, generator=draw) for _ in range(2))
    return process.add_noise(MEAN + SPREAD * x0, noise, time(t))


@every_process
@pytest.mark.parametrize(("t", "middle", "until"), SPANS)
def test_the_exact_map_is_its_own_target(process, t, middle, until):
    x, flow_map = noisy(process, t), exact(process)
    now = flow_map(x, time(t), time(until))
    torch.testing.assert_close(step(x, now, time(t), time(until), process), carried(process, x, time(t), time(until)))
    target = split_target(flow_map, x, time(t), time(middle), time(until), process)
    torch.testing.assert_close(target, now)


@every_process
def test_no_other_map_is_its_own_target(process):
    """The controls: the denoiser alone, which knows no `until`; and halves that are joined without their weights."""
    t, middle, until = (time(value) for value in (0.9, 0.5, 0.2))
    x, flow_map = noisy(process, 0.9), exact(process)

    def blind(x, t, until):
        return denoiser(process)(x, t)

    off = split_target(blind, x, t, middle, until, process) - blind(x, t, until)
    assert off.square().mean().sqrt() > 0.02
    first = flow_map(x, t, middle)
    second = flow_map(step(x, first, t, middle, process), middle, until)
    assert ((first + second) / 2 - flow_map(x, t, until)).square().mean().sqrt() > 0.003


@every_process
@pytest.mark.parametrize(("t", "middle", "until"), SPANS)
def test_a_step_of_the_joined_x0_is_two_steps_of_ddim(process, t, middle, until):
    """Progressive distillation's target (Salimans and Ho 2022) is this, to the last digits."""
    x, denoise = noisy(process, t), denoiser(process)
    *_, last = euler(denoise, process, x, torch.tensor([t, middle, until], dtype=torch.float64))
    target = split_target(lambda x, t, until: denoise(x, t), x, time(t), time(middle), time(until), process)
    torch.testing.assert_close(step(x, target, time(t), time(until), process), last.x)
    short = step(x, denoise(x, time(t)), time(t), time(until), process)
    if t == 1.0:  # the control: one step of the teacher itself
        assert (short - last.x).abs().mean() > 0.005


@every_process
def test_doubling_from_the_teachers_own_steps_ends_at_its_many_steps(process):
    """Each round joins what the round before could do; after five rounds one step is 32 of the teacher's."""
    times = grid(32, 3.0)

    def doubled(flow_map):
        def target(x, t, until):
            inside = times[(times <= t[0] + 1e-12) & (times >= until[0] - 1e-12)]
            if len(inside) == 2:
                return denoiser(process)(x, t)
            middle = torch.full_like(t, inside[len(inside) // 2].item())
            return split_target(flow_map, x, t, middle, until, process)

        return target

    def taught(x, t, until):
        raise AssertionError("a step of the teacher's grid is its own")

    for _ in range(6):
        taught = doubled(taught)
    x = process.start(noisy(process, 1.0))
    *_, last = euler(denoiser(process), process, x, times)
    torch.testing.assert_close(taught(x, time(1.0), time(0.0)), last.x)
    once = denoiser(process)(x, time(1.0))
    assert (once - last.x).abs().mean() > 0.1  # the control: one step that was not taught


@every_process
def test_frames_that_are_given_stay_as_they_are(process):
    t, middle, until = (torch.tensor([[0.0, value]] * 2, dtype=torch.float64) for value in (0.9, 0.5, 0.2))
    x = torch.randn(2, 1, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved = step(x, torch.zeros_like(x), t, until, process)
    assert torch.equal(moved[:, :, 0], x[:, :, 0]) and not torch.equal(moved[:, :, 1], x[:, :, 1])
    first, second = torch.zeros_like(x), torch.ones_like(x)
    both = joined(first, second, t, middle, until, process)
    assert both.isfinite().all() and (both[:, :, 0] == 1).all() and (both[:, :, 1] < 1).all()


def test_a_step_that_stands_still_is_its_second_half():
    t = time(0.4)
    one, two = torch.zeros(2, 1, 1, 1, 4).double(), torch.ones(2, 1, 1, 1, 4).double()
    assert torch.equal(joined(one, two, t, t, t, RectifiedFlow()), two)
    assert all(a > b for a, b in pairwise(grid(4).tolist()))


def test_an_adaptive_loss_weighs_hard_examples_less_and_keeps_their_direction():
    losses = torch.tensor([0.01, 4.0], dtype=torch.float64, requires_grad=True)
    adaptive(losses, 0.5, quiet=0.0).sum().backward()
    torch.testing.assert_close(losses.grad, torch.tensor([10.0, 0.5], dtype=torch.float64))
    plain = torch.tensor([0.01, 4.0])
    assert torch.equal(adaptive(plain, 0.0), plain)

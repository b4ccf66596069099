import pytest
import torch

from framefall.diffusion.loss import FLOOR, denoising_loss, weight
from framefall.diffusion.prediction import PREDICTIONS, coefficients, split
from framefall.diffusion.process import PROCESSES, RectifiedFlow, over_video

every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
every_space = pytest.mark.parametrize("space", PREDICTIONS)
TIMES = torch.tensor([0.3, 0.5, 0.75, 0.98], dtype=torch.float64)


def videos():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(4, 3, 2, 4, 4, dtype=torch.float64, generator=generator) for _ in range(3)]


def direct(space, x0_hat, x0, noise, t, process):
    """The loss as papers write it: the squared distance between what is said in that space and what is true."""
    x_t = process.add_noise(x0, noise, t)
    _, noise_hat = split("x0", x0_hat, x_t, t, process)
    a, b = (over_video(coefficient, x0) for coefficient in coefficients(space, t, process))
    error = (a * x0_hat + b * noise_hat) - (a * x0 + b * noise)
    return error.square().mean(dim=(1, 2, 3, 4))


@every_process
@every_space
def test_a_weighted_x0_loss_is_the_loss_of_that_space(space, process):
    x0_hat, x0, noise = videos()
    expected = direct(space, x0_hat, x0, noise, TIMES, process)
    # EDM's sigma at t = 0.3 is 0.017: of float64's 16 digits about 12 are left
    torch.testing.assert_close(denoising_loss(x0_hat, x0, TIMES, process, space), expected, rtol=1e-9, atol=0)
    for other in set(PREDICTIONS) - {space}:  # the control: in another space it is another number
        assert ((denoising_loss(x0_hat, x0, TIMES, process, other) / expected).log().abs() > 1e-3).any()


def test_velocity_on_a_flow_is_one_over_t_squared_down_to_the_floor():
    t = torch.tensor([0.0, 0.01, FLOOR, 0.1, 0.5, 1.0])
    expected = 1 / t.clamp_min(0.05).square()
    torch.testing.assert_close(weight(RectifiedFlow(), t), expected)
    assert weight(RectifiedFlow(), t, floor=0.01)[1] > 20 * expected[1]


@every_process
@every_space
def test_no_time_has_an_infinite_weight(space, process):
    t = torch.tensor([0.0, 1e-6, 1.0])
    assert weight(process, t, space).isfinite().all()


def test_x0_space_is_the_plain_error():
    x0_hat, x0, _ = videos()
    plain = (x0_hat - x0).square().mean(dim=(1, 2, 3, 4))
    assert torch.equal(denoising_loss(x0_hat, x0, TIMES, RectifiedFlow(), "x0"), plain)


@every_process
def test_frames_of_their_own_times_are_weighed_each_by_its_own(process):
    x0_hat, x0, _ = videos()
    t = torch.stack((TIMES, TIMES.flip(0)), dim=1)
    frames = [denoising_loss(x0_hat[:, :, i : i + 1], x0[:, :, i : i + 1], t[:, i], process) for i in range(2)]
    found = denoising_loss(x0_hat, x0, t, process)
    torch.testing.assert_close(found, (frames[0] + frames[1]) / 2)
    alike = TIMES[:, None].expand(-1, 2)
    torch.testing.assert_close(denoising_loss(x0_hat, x0, alike, process), denoising_loss(x0_hat, x0, TIMES, process))
    assert ((found / denoising_loss(x0_hat, x0, TIMES, process)).log().abs() > 1e-2).all()


@pytest.mark.parametrize("times", [TIMES, TIMES[:, None].expand(-1, 2)], ids=["clips", "frames"])
def test_only_pixels_that_count_are_in_the_loss(times):
    x0_hat, x0, _ = videos()
    counts = torch.zeros(4, 1, 2, 4, 4, dtype=torch.float64)
    counts[:, :, 1, :, :3] = 1.0
    found = denoising_loss(x0_hat, x0, times, RectifiedFlow(), counts=counts)
    part = denoising_loss(x0_hat[:, :, 1:, :, :3], x0[:, :, 1:, :, :3], TIMES, RectifiedFlow())
    torch.testing.assert_close(found, part)
    wrong = x0_hat.clone()
    wrong[:, :, 0] += 100.0
    assert torch.equal(denoising_loss(wrong, x0, times, RectifiedFlow(), counts=counts), found)
    assert denoising_loss(x0_hat, x0, times, RectifiedFlow(), counts=0 * counts).tolist() == [0.0] * 4


@every_process
def test_a_clips_loss_is_its_own(process):
    x0_hat, x0, _ = videos()
    changed = x0_hat.clone()
    changed[2] += 1.0
    before, after = (denoising_loss(guess, x0, TIMES, process) for guess in (x0_hat, changed))
    assert (before != after).tolist() == [False, False, True, False]


def test_a_half_precision_guess_is_judged_in_full():
    x0_hat, x0, _ = (video.float() for video in videos())
    loss = denoising_loss(x0_hat.bfloat16(), x0, TIMES.float(), RectifiedFlow())
    assert loss.dtype == torch.float32
    # bfloat16 keeps 8 bits, an error of 0.4% a number; squared in bfloat16 too, it would be one of the sum as well
    torch.testing.assert_close(loss, denoising_loss(x0_hat, x0, TIMES.float(), RectifiedFlow()), rtol=0.01, atol=0)


def test_what_is_missing_of_a_channel_has_no_weight():
    x0_hat, x0, _ = videos()
    there = torch.ones_like(x0)
    there[:, 1, :, :2] = 0.0  # of one channel alone
    t = TIMES
    process = RectifiedFlow()
    found = denoising_loss(x0_hat, x0, t, process, counts=there)
    x0_hat.requires_grad_()
    denoising_loss(x0_hat, torch.where(there > 0, x0, 99.0), t, process, counts=there).sum().backward()
    assert (x0_hat.grad[there == 0] == 0).all() and (x0_hat.grad[there > 0] != 0).all()
    error = (x0_hat.detach() - x0).square() * there
    expected = weight(process, t) * error.sum(dim=(1, 2, 3, 4)) / there.sum(dim=(1, 2, 3, 4))
    torch.testing.assert_close(found, expected)
    everywhere = denoising_loss(x0_hat.detach(), torch.where(there > 0, x0, 99.0), t, process)
    assert (everywhere > 10 * found).all()  # the control: a fill in the place of a gap would be learnt

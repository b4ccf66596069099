import pytest
import torch

from framefall.diffusion.loss import FLOOR, change_loss, denoising_loss, weight
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


@every_process
@every_space
def test_an_absolute_error_is_weighed_as_one_of_that_space(space, process):
    x0_hat, x0, noise = videos()
    x_t = process.add_noise(x0, noise, TIMES)
    _, noise_hat = split("x0", x0_hat, x_t, TIMES, process)
    a, b = (over_video(coefficient, x0) for coefficient in coefficients(space, TIMES, process))
    expected = ((a * x0_hat + b * noise_hat) - (a * x0 + b * noise)).abs().mean(dim=(1, 2, 3, 4))
    found = denoising_loss(x0_hat, x0, TIMES, process, space, norm="l1")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)  # but for errors of half a level
    assert ((denoising_loss(x0_hat, x0, TIMES, process, space) / expected).log().abs() > 1e-3).any()  # the control


def test_an_edge_whose_place_is_unknown_stays_an_edge_under_an_absolute_error_and_blurs_under_a_squared_one():
    """Of eight pixels in a row an edge lies behind any of the middle five, each as likely."""
    places = torch.arange(8.0)
    truths = torch.stack([torch.where(places > behind, 1.0, -1.0) for behind in range(1, 6)])[:, None, None, None]
    steepest = {}
    for norm in ("l1", "l2"):
        guess = torch.zeros(1, 1, 1, 1, 8, requires_grad=True)
        optimizer = torch.optim.Adam([guess], lr=0.02)
        for _ in range(400):
            optimizer.zero_grad()
            times = torch.ones(5)
            denoising_loss(
                guess.expand(5, -1, -1, -1, -1), truths, times, RectifiedFlow(), "x0", norm=norm
            ).mean().backward()
            optimizer.step()
        steepest[norm] = float(guess.detach().diff().max())
    assert steepest["l1"] > 1.8  # of 2
    assert steepest["l2"] == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_an_error_that_stays_is_no_change_and_one_that_comes_and_goes_is_twice_its_size(norm):
    x0 = videos()[0].repeat(1, 1, 3, 1, 1)  # six frames
    stays, flickers = x0 + 0.3, x0 + 0.3 * torch.tensor([1.0, -1.0] * 3).view(1, 1, 6, 1, 1)
    nothing = change_loss(x0, x0, norm=norm)
    torch.testing.assert_close(change_loss(stays, x0, norm=norm), nothing)
    expected = {"l1": 0.6, "l2": 0.36}[norm]
    torch.testing.assert_close(
        change_loss(flickers, x0, norm=norm), torch.full((4,), expected).double(), rtol=1e-4, atol=0
    )
    # the control: of frames alone the two are alike
    frames = [denoising_loss(one, x0, TIMES, RectifiedFlow(), "x0", norm=norm) for one in (stays, flickers)]
    torch.testing.assert_close(*frames)
    assert change_loss(x0[:, :, :1], x0[:, :, :1], norm=norm).tolist() == [0.0] * 4


def test_a_change_into_a_frame_that_is_missing_does_not_count():
    x0 = videos()[0].repeat(1, 1, 2, 1, 1)
    counts = torch.ones(4, 1, 4, 4, 4, dtype=x0.dtype)
    counts[:, :, 2] = 0.0
    wrong = x0.clone()
    wrong[:, :, 2] += 9.0
    assert change_loss(wrong, x0, counts).tolist() == [0.0] * 4
    assert (change_loss(wrong, x0) > 1.0).all()  # the control

import math

import pytest
import torch

from framefall.diffusion.guidance import (
    Direction,
    constant,
    dynamic_threshold,
    guided,
    oscillating,
    steered,
    thresholded,
)
from framefall.diffusion.process import PROCESSES
from framefall.diffusion.samplers import SAMPLERS
from framefall.diffusion.times import grid


def video(seed: int, clips: int = 2) -> torch.Tensor:
    return torch.randn(clips, 3, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


class Denoiser:
    """Says the same video every time, and counts how often it was asked."""

    def __init__(self, seed: int):
        self.x0, self.calls = 0.5 * video(seed), 0

    def __call__(self, x_t, t):
        self.calls += 1
        return self.x0


def ask(scale: float, t: float | list[float] = 0.5, **options):
    strong, weak = Denoiser(1), Denoiser(2)
    t = torch.tensor(t if isinstance(t, list) else [t, t])
    return guided(strong, weak, scale=scale, **options)(video(0), t), strong, weak


def test_a_scale_of_1_is_the_conditional_denoiser_itself():
    strong, weak = Denoiser(1), Denoiser(2)
    assert guided(strong, weak, scale=1.0) is strong
    assert guided(strong, weak, scale=1.5) is not strong


def test_guidance_walks_on_from_the_unconditional_through_the_conditional():
    x0, strong, weak = ask(3.0)
    torch.testing.assert_close(x0, weak.x0 + 3.0 * (strong.x0 - weak.x0))
    assert torch.equal(ask(0.0)[0], weak.x0)
    assert (x0 - (strong.x0 + 3.0 * (weak.x0 - strong.x0))).abs().max() > 1  # the two exchanged


@pytest.mark.parametrize("t", [0.05, 0.95, 1.0])
def test_outside_its_interval_guidance_costs_nothing_and_does_nothing(t):
    x0, strong, weak = ask(3.0, t)
    assert torch.equal(x0, strong.x0) and (strong.calls, weak.calls) == (1, 0)
    x0, strong, weak = ask(3.0, t, interval=(0.0, 1.0))
    assert not torch.equal(x0, strong.x0) and (strong.calls, weak.calls) == (1, 1)


def test_each_clip_is_guided_by_its_own_time():
    x0, strong, _ = ask(3.0, [0.5, 0.95])
    assert torch.equal(x0[0], ask(3.0)[0][0]) and torch.equal(x0[1], strong.x0[1])


def test_full_rescaling_keeps_the_spread_of_every_clip():
    x0, strong, _ = ask(6.0, rescale=1.0)
    spread = strong.x0.flatten(1).std(dim=1)
    torch.testing.assert_close(x0.flatten(1).std(dim=1), spread)
    assert (ask(6.0)[0].flatten(1).std(dim=1) > 3 * spread).all()  # without it


def test_rescaling_mixes_by_its_share():
    none, some, full = (ask(6.0, rescale=phi)[0] for phi in (0.0, 0.7, 1.0))
    torch.testing.assert_close(some, 0.3 * none + 0.7 * full)


def test_a_flat_clip_survives_rescaling():
    flat = torch.zeros(2, 3, 2, 8, 8)
    x0 = guided(lambda x, t: flat, lambda x, t: flat, scale=2.0, rescale=1.0)(video(0), torch.tensor([0.5, 0.5]))
    assert torch.equal(x0, flat)


def test_a_threshold_brings_a_clip_into_range_and_leaves_one_that_is():
    x0 = torch.cat([3.0 * video(1, 1), 0.2 * video(2, 1)])
    bounded = dynamic_threshold(x0)
    assert bounded.abs().max() == 1.0
    assert torch.equal(bounded[1], x0[1])  # its extremes are below 1
    bound = x0[0].abs().flatten().quantile(0.995)
    inner = x0[0].abs() < 0.9 * bound
    # one scale for all: contrast is kept, where mere clipping would flatten it
    ratio = bounded[0][inner] / x0[0][inner]
    assert ratio.max() - ratio.min() < 1e-5 and ratio.max() < 0.5
    assert (x0[0].clamp(-1, 1).abs() == 1).float().mean() > 0.5


def test_a_threshold_knows_no_largest_clip():
    assert dynamic_threshold(torch.full((1, 1, 1, 4100, 4100), 2.0)).unique().tolist() == [1.0]  # over 2^24


def test_thresholding_is_what_a_denoiser_says_brought_into_range():
    strong, t = Denoiser(1), torch.full((2,), 0.5)
    loud = thresholded(lambda x_t, t: 6.0 * strong(x_t, t), 99.0)
    assert torch.equal(loud(video(0), t), dynamic_threshold(6.0 * strong.x0, 99.0)) and strong.calls == 1
    quiet = thresholded(lambda x_t, t: strong.x0.clamp(-1, 1))
    assert torch.equal(quiet(video(0), t), strong.x0.clamp(-1, 1))  # in range: every bit stays


# both shapes of time


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_frames_of_one_time_are_guided_as_their_clip(scale, rescale):
    strong, weak = Denoiser(1), Denoiser(2)
    moved = guided(strong, weak, scale=scale, rescale=rescale)
    for time in (0.05, 0.5, 1.0):
        t = torch.full((2,), time)
        assert torch.equal(moved(video(0), t[:, None].expand(-1, 2)), moved(video(0), t))


def test_each_frame_is_guided_by_its_own_time():
    strong, weak = Denoiser(1), Denoiser(2)
    t = torch.tensor([[0.0, 0.5], [0.5, 1.0]])
    x0 = guided(strong, weak, scale=3.0)(video(0), t)
    far = weak.x0 + 3.0 * (strong.x0 - weak.x0)
    for clip, frame, acts in ((0, 0, False), (0, 1, True), (1, 0, True), (1, 1, False)):
        assert torch.equal(x0[clip, :, frame], (far if acts else strong.x0)[clip, :, frame])
    frozen = guided(strong, weak, scale=3.0, rescale=1.0)(video(0), t)
    assert torch.equal(frozen[0, :, 0], strong.x0[0, :, 0])  # rescaling leaves frames alone in which nothing acts
    assert not torch.equal(frozen[0, :, 1], x0[0, :, 1])


# directions together


def along(strong, weak, scale):
    return Direction(strong=strong, weak=weak, scale=constant(scale))


def test_directions_add_up_and_a_side_of_several_is_asked_once():
    full, null, frame = Denoiser(1), Denoiser(2), Denoiser(3)
    x_t, t = video(0), torch.full((2,), 0.5)
    x0 = steered(full, along(full, null, 2.5), along(null, frame, 1.5))(x_t, t)
    gen_1 = frame.x0 + 1.5 * (null.x0 - frame.x0) + 2.5 * (full.x0 - null.x0)  # Esser et al. 2023
    torch.testing.assert_close(x0, gen_1)
    assert (full.calls, null.calls, frame.calls) == (1, 1, 1)
    nested = guided(full, guided(null, frame, scale=1.5), scale=2.5)(x_t, t)
    assert (x0 - nested).abs().max() > 0.1  # the control: guidance of guidance is another thing


def test_a_direction_of_scale_1_leads_nowhere_and_asks_nobody():
    full, null, frame = Denoiser(1), Denoiser(2), Denoiser(3)
    x_t, t = video(0), torch.full((2,), 0.5)
    assert steered(full) is full
    assert torch.equal(steered(full, along(full, null, 1.0), along(null, frame, 1.0), rescale=0.7)(x_t, t), full.x0)
    assert (full.calls, null.calls, frame.calls) == (1, 0, 0)
    one = steered(full, along(full, null, 1.0), along(full, frame, 2.0))(x_t, t)
    assert torch.equal(one, guided(full, frame, scale=2.0)(x_t, t)) and null.calls == 0


# scales that change


def test_an_oscillating_scale_is_high_at_first_and_then_low_and_high_in_turns():
    times = grid(8, shift=3.0)
    scale = oscillating(15.0, 1.0, 3, times)
    assert scale(times[:-1].float()).tolist() == [15, 15, 15, 1, 15, 1, 15, 1]
    assert oscillating(15.0, 1.0, 0, times)(times[:-1]).tolist() == [1, 15] * 4
    middle = (times[:-2] + times[1:-1]) / 2  # whoever asks between two steps is on the way to the second
    assert scale(middle).tolist() == [15, 15, 1, 15, 1, 15, 1]
    by_frame = scale(torch.stack([times[:4], times[4:8]]).float())
    assert by_frame.tolist() == [[15, 15, 15, 1], [15, 1, 15, 1]]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_meets_each_scale_where_its_steps_are_and_no_counter_is_kept(sampler):
    times, seen = grid(6), []
    scale = oscillating(7.0, 1.0, 2, times)
    strong, weak = Denoiser(1), Denoiser(2)
    moved = steered(strong, Direction(strong=strong, weak=weak, scale=scale))

    def watched(x_t, t):
        before = weak.calls
        x0 = moved(x_t, t)
        seen.append((float(t[0]), weak.calls > before))
        return x0

    process = PROCESSES["rectified_flow"]
    for _ in range(2):  # a walk after another one is the same: a counter would have gone on
        seen.clear()
        *_, last = SAMPLERS[sampler](watched, process, video(0), times, lambda draw: video(9 + draw))
        turns = {round(float(time), 6): turn for time, turn in zip(times, [1, 1, 0, 1, 0, 1], strict=False)}
        assert {(round(time, 6), int(acts)) for time, acts in seen} == set(turns.items())
    assert last.x.isfinite().all()


# what is refused


@pytest.mark.parametrize("wrong", [(0.9, 0.1), (-1.0, 0.5), (0.1, 1.5), (math.nan, 0.9), (0.1, math.nan)], ids=str)
def test_an_impossible_interval_is_refused(wrong):
    with pytest.raises(ValueError, match=r"interval must rise within 0\.\.1"):
        guided(Denoiser(1), Denoiser(2), scale=2.0, interval=wrong)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.5], ids=str)
def test_a_number_that_is_none_or_out_of_range_is_refused(wrong):
    weak = Denoiser(2)
    with pytest.raises(ValueError, match=r"^scale must be a finite number of at least 0, got"):
        guided(Denoiser(1), weak, scale=wrong)
    with pytest.raises(ValueError, match=r"^rescale must be a finite number of at least 0 and at most 1, got"):
        guided(Denoiser(1), weak, scale=2.0, rescale=wrong)
    with pytest.raises(ValueError, match=r"^low scale must be a finite number of at least 0, got"):
        oscillating(2.0, wrong, 1, grid(4))
    with pytest.raises(ValueError, match=r"^percentile must be a finite number above 0 and at most 100, got"):
        thresholded(weak, wrong)
    with pytest.raises(ValueError, match=r"^percentile must be a finite number above 0 and at most 100, got"):
        dynamic_threshold(video(0), wrong)
    with pytest.raises(ValueError, match=r"^first steps must be a whole number of at least 0, got"):
        oscillating(2.0, 1.0, -1, grid(4))
    assert weak.calls == 0

import pytest
import torch

from framefall.diffusion.guidance import dynamic_threshold, guided


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


@pytest.mark.parametrize("wrong", [{"interval": (0.9, 0.1)}, {"interval": (-1.0, 0.5)}, {"rescale": 1.5}], ids=str)
def test_impossible_guidance_is_refused(wrong):
    with pytest.raises(ValueError, match=r"interval must rise within 0\.\.1"):
        guided(Denoiser(1), Denoiser(2), scale=2.0, **wrong)
    with pytest.raises(ValueError, match="percentile must be above 0"):
        dynamic_threshold(video(0), 0.0)

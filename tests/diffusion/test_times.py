import math

import pytest
import torch

from framefall.diffusion.times import LogitNormal, following, grid, shifted
from framefall.noise import Key

COUNT = 4000


def draws(density: LogitNormal, seed: int = 0) -> torch.Tensor:
    return torch.tensor([density.draw(Key(seed, "time", f"clip{n % 7}"), n) for n in range(COUNT)], dtype=torch.float64)


def test_the_logit_of_a_draw_is_normal():
    logits = draws(LogitNormal(mean=0.8, std=0.8, uniform_share=0.0)).logit()
    # standard errors: std / sqrt(count) for the mean, std / sqrt(2 count) for the spread; five of each
    assert abs(logits.mean() - 0.8) < 5 * 0.8 / math.sqrt(COUNT)
    assert abs(logits.std() - 0.8) < 5 * 0.8 / math.sqrt(2 * COUNT)
    # the control: a density moved by ln(4) / 2, as for a clip of four times the pixels, is another one
    assert abs(draws(LogitNormal(mean=0.8 + math.log(2), uniform_share=0.0)).logit().mean() - 0.8) > 0.5


def test_the_shares_are_what_they_say():
    times = draws(LogitNormal(mean=0.8, pure_share=0.3, uniform_share=0.2))
    error = 5 * math.sqrt(0.3 * 0.7 / COUNT)
    assert abs((times == 1.0).double().mean() - 0.3) < error
    # logit-normal times below 0.05 lie 4.7 spreads out: what is there is uniform
    assert abs((times < 0.05).double().mean() - 0.2 * 0.05) < 5 * math.sqrt(0.01 / COUNT)
    assert (draws(LogitNormal()) < 1.0).all()
    assert (draws(LogitNormal(pure_share=1.0, uniform_share=0.0)) == 1.0).all()


def test_uniform_draws_are_uniform():
    times = draws(LogitNormal(uniform_share=1.0)).sort().values
    even = (torch.arange(COUNT) + 0.5) / COUNT
    limit = 1.95 / math.sqrt(COUNT)  # Kolmogorov and Smirnov's bound at one in a thousand
    assert (times - even).abs().max() < limit
    assert (draws(LogitNormal(uniform_share=0.9)).sort().values - even).abs().max() > limit


def test_a_draw_depends_on_its_names_alone():
    density, key = LogitNormal(), Key(1, "time", "clip")
    assert density.draw(key, 3, 4) == density.draw(key, 3, 4)
    others = {density.draw(key, 4, 3), density.draw(key, 3), density.draw(Key(2, "time", "clip"), 3, 4)}
    assert len(others | {density.draw(key, 3, 4)}) == 4


@pytest.mark.parametrize(
    "wrong", [{"std": 0.0}, {"pure_share": -0.1}, {"pure_share": 0.6, "uniform_share": 0.5}], ids=str
)
def test_an_impossible_density_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        LogitNormal(**wrong)


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_a_grid_descends_from_1_to_0(steps, shift):
    times = grid(steps, shift)
    assert times.shape == (steps + 1,)
    assert times[0] == 1 and times[-1] == 0 and (times.diff() < 0).all()


def test_a_shift_multiplies_sigma_over_alpha():
    plain, shifted = grid(10)[1:-1], grid(10, shift=3.0)[1:-1]
    torch.testing.assert_close(shifted / (1 - shifted), 3.0 * plain / (1 - plain))
    torch.testing.assert_close(shifted.logit(), plain.logit() + math.log(3.0))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 4, "shift": 0.0}], ids=str)
def test_an_impossible_grid_is_refused(wrong):
    with pytest.raises(ValueError, match="steps must be at least 1"):
        grid(**wrong)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("steps", "shift"), [(1, 1.0), (4, 3.0), (32, 3.0)])
def test_what_follows_a_time_of_a_grid_is_the_next_one(steps, shift, dtype):
    times = grid(steps, shift)
    found = following(times.to(dtype), times)
    torch.testing.assert_close(found[:-1], times[1:].to(dtype), rtol=0, atol=0)
    assert found[-1] == 0  # nothing follows the end, nor a frame that is given
    by_frame = following(times[None, :2].to(dtype), times)
    assert by_frame.shape == (1, 2) and by_frame[0, 0] == times[1].to(dtype)
    between = following(torch.tensor([0.999 * float(times[0])], dtype=dtype), times)
    assert between == times[1].to(dtype)


def test_a_bent_grid_is_an_even_one_shifted():
    assert torch.equal(shifted(grid(7), 3.0), grid(7, 3.0)) and torch.equal(shifted(grid(7), 1.0), grid(7))

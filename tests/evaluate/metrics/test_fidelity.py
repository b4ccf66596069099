import math

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics.fidelity import PSNR_CAP, psnr, ssim

METRICS = (psnr, ssim)


def picture(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def test_psnr_of_known_noise_is_its_analytic_value() -> None:
    clean = picture(2, 3, 4, 64, 64)
    sigma = 0.05  # of the 0..1 range, so 0.1 of -1..1
    noisy = clean + 2 * sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    # the variance of 98,304 normals is known to 0.5 %, which is 0.02 dB
    assert psnr(noisy, clean).tolist() == pytest.approx([-20 * math.log10(sigma)] * 2, abs=0.08)
    # the broken control: an error on the -1..1 range taken for one on 0..1 is 6 dB off
    assert abs(-10 * math.log10(((noisy - clean) ** 2).mean()) + 20 * math.log10(sigma)) > 5


def test_psnr_of_one_step_of_brightness_is_48_decibels() -> None:
    black = torch.full((1, 1, 2, 8, 8), -1.0)
    assert psnr(black + 2 / 255, black).item() == pytest.approx(20 * math.log10(255), abs=1e-3)


def test_identical_videos_are_perfect() -> None:
    video = picture(2, 4, 3, 9, 12)
    assert psnr(video, video).tolist() == [PSNR_CAP] * 2
    assert ssim(video, video).tolist() == pytest.approx([1.0] * 2)


def test_ssim_falls_as_noise_grows() -> None:
    clean = picture(1, 3, 2, 32, 32)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    scores = [ssim(clean + amount * noise, clean).item() for amount in (0.05, 0.2, 0.8)]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.95 and scores[-1] < 0.8


def test_a_clip_does_not_depend_on_its_batch() -> None:
    clean, other = picture(3, 2, 2, 16, 16), picture(3, 2, 2, 16, 16).flip(0)
    for metric in METRICS:
        assert metric(clean, other)[1] == metric(clean[1:2], other[1:2])[0]


@pytest.mark.parametrize("side", [1, 2, 3, 4, 6, 7])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_small_frames_and_any_channels_are_scored_or_not_measurable(side: int, channels: int) -> None:
    video = picture(1, channels, 2, side, side + 1)
    assert psnr(video, video).item() == PSNR_CAP
    score = ssim(video, video).item()
    assert math.isnan(score) if side < 3 else score == pytest.approx(1.0)


@pytest.mark.parametrize("metric", METRICS)
def test_different_shapes_are_refused_in_a_sentence(metric) -> None:
    with pytest.raises(ValueError, match=r"must have one shape.*\[1, 3, 2, 8, 8\] and \[1, 3, 3, 8, 8\]; crop"):
        metric(picture(1, 3, 2, 8, 8), picture(1, 3, 3, 8, 8))

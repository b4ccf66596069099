import math

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics import coherence
from framefall.flow import look
from framefall.video import from_pixels, to_pixels


def flicker(video: Tensor) -> Tensor:
    """Of each clip of a batch."""
    return torch.tensor([coherence.flicker(look(clip[None])) for clip in video])


def luminance_flicker(video: Tensor) -> Tensor:
    return torch.tensor([coherence.luminance_flicker(look(clip[None])) for clip in video])


METRICS = (flicker, luminance_flicker)


def smooth_pan(frames: int = 10, side: int = 96, speed: tuple[float, float] = (1.3, 0.7)) -> Tensor:
    """A smooth texture that slides by a broken number of pixels a frame, each frame drawn exactly."""
    rows, columns = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    shots = []
    for frame in range(frames):
        x, y = columns + speed[0] * frame, rows + speed[1] * frame
        waves = [torch.sin(x / 7 + k) * torch.cos(y / 9 - k) + torch.sin(x / 11 + y / 6 + k) for k in range(3)]
        shots.append(0.4 * torch.stack(waves))
    return torch.stack(shots, dim=1)[None]


def still(frames: int = 8) -> Tensor:
    return smooth_pan(frames, speed=(0.0, 0.0))


def trembling_light(video: Tensor, amount: float = 0.05) -> Tensor:
    """Each frame brighter or darker on its own, by `amount` of the 0..1 range."""
    light = torch.randn(video.shape[2], generator=torch.Generator().manual_seed(2))
    return (video + 2 * amount * light[:, None, None]).clamp(-1, 1)


def shuffled(video: Tensor) -> Tensor:
    return video[:, :, torch.randperm(video.shape[2], generator=torch.Generator().manual_seed(3))]


def frame_difference(video: Tensor) -> float:
    return float(video.diff(dim=2).abs().mean() / 2)


def test_a_still_clip_does_not_flicker() -> None:
    for metric in METRICS:
        assert metric(still()).item() == 0.0


def test_a_steady_pan_does_not_flicker_though_everything_moves() -> None:
    pan = smooth_pan()
    score = flicker(pan).item()
    assert score < 0.001  # a quarter of a grey level: what inexact flow and interpolation leave
    # the broken control: without motion compensation the same clip looks very restless
    assert frame_difference(pan) > 30 * score


def test_trembling_light_is_punished() -> None:
    for metric in METRICS:
        steady, trembling = metric(still()).item(), metric(trembling_light(still())).item()
        assert trembling > 0.02 and trembling > 5 * steady
    assert flicker(trembling_light(smooth_pan())).item() > 5 * flicker(smooth_pan()).item()


def test_the_light_of_a_still_scene_is_measured_in_its_own_unit() -> None:
    blink = still()
    blink[:, :, 1::2] += 0.1  # 0.05 of the 0..1 range, up and down at every step
    assert luminance_flicker(blink).item() == pytest.approx(0.05, rel=0.02)
    # up and down, every frame leaves its envelope by the whole step
    assert flicker(blink).item() == pytest.approx(0.05, rel=0.05)


def test_a_steady_fade_is_no_flicker() -> None:
    fade = still() * 0.5 + torch.linspace(-0.3, 0.3, 8)[:, None, None]
    assert flicker(fade).item() < 1e-4


def test_independent_frames_do_not_escape_by_being_untrackable() -> None:
    noise = torch.rand(1, 3, 6, 64, 64, generator=torch.Generator().manual_seed(4)) * 2 - 1
    # of three independent uniforms the middle frame leaves the span of the others by 1/6 on average
    assert flicker(noise).item() == pytest.approx(1 / 6, rel=0.1)


def test_real_video_flickers_less_than_its_shuffled_self(carphone: Tensor) -> None:
    carphone = carphone[:, :, :16]
    steady = flicker(carphone).item()
    assert flicker(shuffled(carphone)).item() > 2 * steady
    assert flicker(trembling_light(carphone)).item() > 5 * steady
    assert luminance_flicker(trembling_light(carphone)).item() > 5 * luminance_flicker(carphone).item()


def test_a_frozen_real_frame_does_not_flicker(carphone: Tensor) -> None:
    frozen = carphone[:, :, :1].expand(-1, -1, 5, -1, -1)
    for metric in METRICS:
        assert metric(frozen).item() == 0.0


def test_storing_in_8_bits_adds_less_than_a_grey_level() -> None:
    pan = smooth_pan()
    assert abs(flicker(from_pixels(to_pixels(pan))) - flicker(pan)).item() < 1 / 255


def test_where_nothing_stands_still_the_light_is_not_measurable() -> None:
    assert math.isnan(luminance_flicker(smooth_pan()).item())


@pytest.mark.parametrize("metric, needed", [(flicker, 3), (luminance_flicker, 2)])
@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_too_few_frames_are_not_measurable(metric, needed: int, frames: int) -> None:
    assert math.isnan(metric(still(8)[:, :, :frames]).item()) == (frames < needed)

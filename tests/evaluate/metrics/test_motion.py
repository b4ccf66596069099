import math

import pytest
import torch
from torch import Tensor

from examples import examples
from framefall.evaluate.metrics import motion
from framefall.evaluate.metrics.coherence import flicker, luminance_flicker
from framefall.flow import GRID_SIDE, LOOK_SIDE, look
from framefall.video import from_pixels, to_pixels

FPS = 24.0
NUMBERS = (
    flicker,
    luminance_flicker,
    motion.warp_error,
    motion.dynamic_degree,
    motion.repeated_frames,
    motion.longest_still,
    motion.unevenness,
)


def pan(frames: int = 12, side: int = 96, speed: tuple[float, float] = (1.3, 0.7), channels: int = 3) -> Tensor:
    """A smooth texture that slides by a broken number of pixels a frame, each frame drawn exactly."""
    rows, columns = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    shots = []
    for frame in range(frames):
        x, y = columns + speed[0] * frame, rows + speed[1] * frame
        waves = [torch.sin(x / 7 + k) * torch.cos(y / 9 - k) + torch.sin(x / 11 + y / 6 + k) for k in range(channels)]
        shots.append(0.4 * torch.stack(waves))
    return torch.stack(shots, dim=1)[None]


def square(frames: int = 24, side: int = 64, speed: float = 1.5) -> Tensor:
    """A light square that crosses a dark, textured ground."""
    video = pan(1, side, channels=1).expand(-1, -1, frames, -1, -1) * 0.3 - 0.5
    video = video.clone()
    for frame in range(frames):
        left = 4 + round(speed * frame)
        video[..., frame, 26:38, left : left + 12] = 0.8
    return video


def noisy(video: Tensor, amount: float = 0.03) -> Tensor:
    """Noise of its own on every frame; `amount` is of the 0..1 range."""
    return (video + 2 * amount * torch.randn(video.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


def order(frames: int, seed: int = 2) -> Tensor:
    return torch.randperm(frames, generator=torch.Generator().manual_seed(seed))


def trembling(video: Tensor) -> Tensor:
    """Frames shown up to one too early or too late."""
    frames = torch.arange(video.shape[2])
    late = torch.randint(-1, 2, frames.shape, generator=torch.Generator().manual_seed(3))
    return video[:, :, (frames + late).clamp(0, len(frames) - 1)]


def test_a_translation_leaves_no_warp_error_and_has_its_own_speed() -> None:
    seen = look(pan(), FPS)
    expected = math.hypot(1.3, 0.7) / 96 * FPS  # picture heights a second
    assert motion.dynamic_degree(seen) == pytest.approx(expected, rel=0.1)  # the fastest 5 % hold the flow's own error
    assert motion.warp_error(seen) < 2e-4
    # the controls: the same frames where warping does not help, and the plain difference to the next frame
    assert motion.warp_error(look(noisy(pan()), FPS)) > 5 * motion.warp_error(seen)
    assert (pan().diff(dim=2) / 2).square().mean() > 10 * motion.warp_error(seen)


def test_speed_does_not_depend_on_the_size_of_the_frames() -> None:
    small, large = look(pan(4, 96, (1.3, 0.7)), FPS), look(pan(4, 384, (5.2, 2.8)), FPS)
    assert motion.dynamic_degree(large) == pytest.approx(motion.dynamic_degree(small), rel=0.1)


def test_large_frames_cost_no_more_than_bounded_ones() -> None:
    seen = look(torch.zeros(1, 1, 2, 2160, 3840))
    height, width = seen.frames.shape[1:3]
    assert height * width <= 1.01 * LOOK_SIDE**2 and width / height == pytest.approx(3840 / 2160, rel=0.01)
    assert seen.luma.shape[1] * seen.luma.shape[2] <= 1.01 * GRID_SIDE**2


def test_twice_the_speed_is_twice_the_dynamic_ratio(carphone: Tensor) -> None:
    once, twice = look(pan(8), FPS), look(pan(8, speed=(2.6, 1.4)), FPS)
    assert motion.dynamic_ratio(twice, once) == pytest.approx(2.0, rel=0.1)
    assert motion.dynamic_ratio(once, once) == 1.0
    assert math.isnan(motion.dynamic_ratio(once, look(pan(8, speed=(0, 0)), FPS)))
    assert motion.dynamic_ratio(look(carphone[:, :, ::2], FPS), look(carphone, FPS)) > 1.2


def test_a_frozen_clip_is_caught_under_noise_too(carphone: Tensor) -> None:
    for clip in (carphone[:, :, :12], square(12), pan()):
        still = clip[:, :, :1].expand_as(clip)
        for placebo in (still, noisy(still), from_pixels(to_pixels(still))):
            seen = look(placebo, FPS)
            assert motion.longest_still(seen) == 1.0 and motion.dynamic_degree(seen) == 0.0
        for moving in (clip, noisy(clip)):
            assert motion.longest_still(look(moving, FPS)) < 0.3


def test_a_clip_that_stops_half_way_is_still_for_half(carphone: Tensor) -> None:
    stalled = carphone[:, :, torch.arange(40).clamp(max=20)]
    assert motion.longest_still(look(stalled)) == pytest.approx(0.5, abs=0.05)
    assert motion.longest_still(look(carphone)) < 0.1


def test_repeated_frames_are_counted() -> None:
    clip = pan(13)
    assert motion.repeated_frames(look(clip)) == 0.0
    assert motion.repeated_frames(look(clip[:, :, torch.arange(13) // 2 * 2])) == 0.5
    third = torch.tensor([0, 1, 1, 2, 3, 3, 4, 5, 5, 6])
    assert motion.repeated_frames(look(clip[:, :, third])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("clip", ["pan", "square"])
def test_stop_and_go_is_uneven_and_steady_motion_is_not(clip: str) -> None:
    video = {"pan": pan, "square": square}[clip](24)
    even = motion.unevenness(look(video))
    assert even < 0.3  # the square moves by 1 and 2 pixels in turn
    assert motion.unevenness(look(noisy(video, 0.01))) < even + 0.1  # a placebo
    assert motion.unevenness(look(video[:, :, torch.arange(24) // 2 * 2])) > 0.9
    assert motion.unevenness(look(trembling(video))) > even + 0.3


def test_real_video_is_more_even_than_its_shuffled_self(carphone: Tensor) -> None:
    real = motion.unevenness(look(carphone))
    assert motion.unevenness(look(carphone[:, :, order(40)])) > real + 0.1
    assert motion.unevenness(look(trembling(carphone))) > real + 0.1


def test_tof_is_the_difference_of_motion_in_pixels() -> None:
    still, moving = look(pan(4, speed=(0.0, 0.0))), look(pan(4, speed=(1.0, 0.0)))
    assert motion.tof(moving, moving) == 0.0
    assert motion.tof(moving, still) == pytest.approx(1.0, rel=0.25)  # Farneback falls short where texture is faint
    assert motion.tof(look(pan(4, speed=(2.0, 0.0))), still) == pytest.approx(2 * motion.tof(moving, still), rel=0.05)
    # a placebo: noise moves nothing
    assert motion.tof(look(noisy(pan(4, speed=(1.0, 0.0)), 0.01)), moving) < 0.15


def test_tof_wants_clips_of_one_size() -> None:
    with pytest.raises(ValueError, match="same frames, height and width"):
        motion.tof(look(pan(3)), look(pan(4)))


LARGE = examples((1080, 1920), (2160, 3840))


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.__name__)
@pytest.mark.parametrize(
    "shape",
    [(1, 3, 0, 8, 8), (1, 3, 1, 64, 64), (1, 3, 4, 64, 64), (1, 1, 3, 1, 1), (1, 5, 4, 3, 200), (1, 1, 3, *LARGE)],
    ids=["empty", "one frame", "black", "pixel", "five channels", "large"],
)
def test_odd_clips_give_a_number_or_nothing(number, shape: tuple[int, ...]) -> None:
    value = number(look(torch.full(shape, -1.0), FPS))
    assert math.isnan(value) or value >= 0.0
    assert shape[2] > 1 or math.isnan(value)


def test_a_clip_that_is_not_finite_is_not_measurable() -> None:
    broken = pan(4)
    broken[0, 0, 2, 5, 5] = math.nan
    assert all(math.isnan(number(look(broken, FPS))) for number in NUMBERS)

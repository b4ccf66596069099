import math

import pytest
import torch
from torch import Tensor

from framefall.evaluate.metrics.suite import ScoreRow
from framefall.evaluate.stages.superres import compare_spatial, compare_temporal, flow_blend, linear_blend, nearest
from framefall.video import resize


def fading(frames: int = 13, seed: int = 0) -> Tensor:
    """Every pixel's brightness changes evenly with time, each at its own speed."""
    generator = torch.Generator().manual_seed(seed)
    start, end = (torch.rand(1, 3, 1, 24, 24, generator=generator) * 2 - 1 for _ in range(2))
    return torch.lerp(start, end, torch.linspace(0, 1, frames)[:, None, None])


def by_name(rows: list[ScoreRow]) -> dict[str, ScoreRow]:
    return {row.metric: row for row in rows}


def test_linear_blend_is_exact_where_brightness_changes_evenly() -> None:
    video = fading()
    torch.testing.assert_close(linear_blend(video[:, :, ::4], 4), video, atol=1e-6, rtol=0)  # a few float32 roundings
    # the broken control: the nearest frame is far off
    assert (nearest(video[:, :, ::4], 4) - video).abs().max() > 0.1


def test_nearest_repeats_the_frame_that_is_nearest_in_time() -> None:
    keyframes = torch.arange(3.0).view(1, 1, 3, 1, 1)
    assert nearest(keyframes, 4).flatten().tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert nearest(keyframes, 3).flatten().tolist() == [0, 0, 1, 1, 1, 2, 2]


def gliding(frames: int = 9) -> Tensor:
    """A bright square that goes two pixels to the right from frame to frame, on even ground."""
    video = torch.full((1, 3, frames, 48, 48), -0.8)
    for frame in range(frames):
        video[:, :, frame, 16:28, 4 + 2 * frame : 16 + 2 * frame] = 0.6
    return video


def test_optical_flow_moves_what_a_blend_fades() -> None:
    video = gliding()
    moved, faded = (way(video[:, :, ::4], 4) for way in (flow_blend, linear_blend))
    assert moved.shape == video.shape and torch.equal(moved[:, :, ::4], video[:, :, ::4])
    missed, ghosts = ((made - video).square().mean() for made in (moved, faded))
    assert missed < 0.3 * ghosts


def test_both_sides_are_given_what_the_stage_below_makes_and_are_held_against_the_truth() -> None:
    clips, seen = [("a", gliding(), 8.0)], list[str]()

    def darker(name: str, low: Tensor) -> Tensor:
        seen.append(name)
        return low - 0.1

    as_blend = compare_temporal(clips, lambda keys, _: linear_blend(keys, 4), 4, below=darker)
    rows, real = by_name(as_blend), by_name(compare_temporal(clips, lambda keys, _: linear_blend(keys, 4), 4))
    assert rows["psnr_gain_over_linear_blend"].value == 0.0 and seen == ["a"]
    assert rows["psnr_optical_flow"].value < real["psnr_optical_flow"].value
    assert rows["psnr"].value < real["psnr"].value
    spatial = by_name(compare_spatial(clips, lambda low: resize(low, 48, 48), 4, below=darker))
    assert spatial["psnr_gain_over_bicubic"].value == 0.0 and seen == ["a", "a"]


def test_the_truth_gains_over_the_blend_and_the_given_frames_do_not_count(carphone: Tensor) -> None:
    clips = [("a", carphone, 15.0), ("b", carphone.flip(-1), 15.0)]
    seen = []

    def oracle(keyframes: Tensor, fps: float) -> Tensor:
        seen.append(fps)
        truth = carphone if torch.equal(keyframes, carphone[:, :, ::4]) else carphone.flip(-1)
        spoiled = truth.clone()
        spoiled[:, :, ::4] = 1.0  # given frames are not asked for, so spoiling them must cost nothing
        return spoiled

    rows = by_name(compare_temporal(clips, oracle, factor=4))
    assert rows["psnr"].value == 100.0 and seen == [3.75, 3.75]
    gain = rows["psnr_gain_over_linear_blend"]
    assert gain.n == 2 and gain.low > 50 and gain.per_clip.keys() == {"a", "b"}
    assert gain.value == pytest.approx(100.0 - rows["psnr_linear_blend"].value)
    assert rows["psnr_gain_over_nearest"].value > gain.value  # blending beats repeating on real video


def test_the_blend_gains_nothing_over_itself(carphone: Tensor) -> None:
    rows = by_name(compare_temporal([("a", carphone, 15.0)], lambda keyframes, _: linear_blend(keyframes, 4), 4))
    gain = rows["psnr_gain_over_linear_blend"]
    assert (gain.value, gain.low, gain.high, gain.n) == (0.0, 0.0, 0.0, 1)


def test_a_clip_without_frames_between_is_not_measurable() -> None:
    rows = compare_temporal([("short", fading(4), 8.0)], lambda keyframes, _: keyframes, 4)
    assert all(math.isnan(row.value) and (row.n, row.clips) == (0, 1) for row in rows)


def test_a_missing_last_frame_is_allowed_and_a_missing_middle_is_refused(carphone: Tensor) -> None:
    clips = [("a", carphone[:, :, :17], 15.0)]
    sixteen = compare_temporal(clips, lambda keyframes, _: linear_blend(keyframes, 4)[:, :, :16], 4)
    assert by_name(sixteen)["psnr_gain_over_linear_blend"].value == 0.0
    with pytest.raises(ValueError, match="clip a: the upsampled video must have 16 or more frames"):
        compare_temporal(clips, lambda keyframes, _: keyframes, 4)


def test_bicubic_gains_nothing_over_itself(carphone: Tensor) -> None:
    def bicubic(low: Tensor) -> Tensor:
        return resize(low, 4 * low.shape[-2], 4 * low.shape[-1], "bicubic")

    rows = by_name(compare_spatial([("a", carphone[:, :, :3], 15.0)], bicubic, factor=4))
    for metric in ("psnr", "ssim"):
        gain = rows[f"{metric}_gain_over_bicubic"]
        assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)
    assert 15 < rows["psnr"].value < 40  # real video loses detail, and not all of it


def test_a_worse_upscaler_loses_on_every_clip_and_the_interval_says_so(carphone: Tensor) -> None:
    clips = [(str(frame), carphone[:, :, frame : frame + 1], 15.0) for frame in range(5)]
    rows = by_name(compare_spatial(clips, lambda low: low.repeat_interleave(4, -1).repeat_interleave(4, -2), 4))
    for metric in ("psnr", "ssim"):
        gain = rows[f"{metric}_gain_over_bicubic"]
        assert gain.n == 5 and gain.high < 0
        # pairing: clips differ among themselves more than the gain does
        assert gain.high - gain.low < rows[metric].high - rows[metric].low


def test_odd_sides_are_cut_to_a_multiple_of_the_factor() -> None:
    seen = []

    def zeros(low: Tensor) -> Tensor:
        seen.append(tuple(low.shape[-2:]))
        return torch.zeros(*low.shape[:3], 20, 24)

    compare_spatial([("a", fading()[..., :22, :27], 8.0)], zeros, factor=4)
    assert seen == [(5, 6)]


def test_both_sides_are_scored_as_8_bit_video() -> None:
    video = fading()
    rows = by_name(compare_temporal([("a", video, 8.0)], lambda keyframes, _: video + 1e-4, 4))
    assert rows["psnr"].value > 60  # only pixels on the edge of rounding differ; in floats it would be 86 dB flat
    between = [frame for frame in range(12) if frame % 4]
    assert rows["psnr"].value != pytest.approx(-10 * math.log10(5e-5**2), abs=1) and between


@pytest.mark.parametrize("factor", [0, 1])
def test_a_factor_below_two_is_refused(factor: int) -> None:
    with pytest.raises(ValueError, match="factor must be 2 or more"):
        compare_temporal([], lambda keyframes, _: keyframes, factor)
    with pytest.raises(ValueError, match="factor must be 2 or more"):
        compare_spatial([], lambda low: low, factor)

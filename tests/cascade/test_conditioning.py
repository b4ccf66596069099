"""What stages are shown, and the plans by which they work through a video."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import Base, SpatialSR, Task, TemporalSR, Window, corrupt, frame_seconds
from framefall.video import resize

FACTORS = [2, 3, 4, 8]


def plan(task: Task, arriving: Iterator[int]) -> list[Window]:
    """Every window, in the order in which a cascade that is fed so many frames at a time asks for them."""
    windows: list[Window] = []
    made = have = 0
    for more in (*arriving, None):
        have += more or 0
        while (window := task.window(made, have, more is None)) is not None:
            windows.append(window)
            assert more is None or window.inputs.stop <= have  # nothing is taken that is not there
            made = window.keep.stop
            assert len(windows) < 1000
    return windows


def handed_on(windows: list[Window]) -> list[int]:
    return [frame for window in windows for frame in window.keep]


def given_for(total: int, factor: int) -> int:
    return -(-(total - 1) // factor) + 1


@pytest.mark.parametrize("usual", [1, 16])
def test_a_base_stage_makes_what_is_asked_for_in_one_piece(usual):
    for total in range(1, 131):
        (window,) = plan(Base(max(usual, total), total), iter([]))
        assert window.keep == range(total) and window.frames == range(max(usual, total)) and not window.inputs
    assert plan(Base(usual), iter([]))[0].keep == range(usual)


@pytest.mark.parametrize("intervals", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("factor", FACTORS)
def test_every_frame_between_is_made_exactly_once(factor, intervals):
    for total in range(1, 131):
        for more in (1, 7, 200):  # frames come one by one, in handfuls, all at once
            given = given_for(total, factor)
            chunks = [more] * (given // more) + [given % more]
            windows = plan(TemporalSR(factor, intervals, total), iter(chunks))
            assert handed_on(windows) == list(range(total))
            for window in windows:
                assert len(window.frames) == intervals * factor == (len(window.inputs) - 1) * factor
                assert window.frames.start == window.inputs.start * factor + 1  # after the first given frame
                assert set(window.keep) - {0} <= set(window.frames)


@pytest.mark.parametrize("factor", FACTORS)
def test_without_a_number_as_many_frames_are_made_as_the_given_ones_span(factor):
    for given in range(1, 40):
        for chunks in ([given], [1] * given, [given - 1, 1]):
            windows = plan(TemporalSR(factor, 3), iter(chunks))
            assert handed_on(windows) == list(range((given - 1) * factor + 1))


@pytest.mark.parametrize("factor", FACTORS)
def test_given_frames_carry_on_a_little_past_their_end(factor):
    """16 frames at 6 a second last as long as 64 at 24, of which the last three lie past the last given one."""
    windows = plan(TemporalSR(factor, 5, 16 * factor), iter([16]))
    assert handed_on(windows) == list(range(16 * factor))


def test_the_same_plan_whether_frames_come_slowly_or_at_once():
    for task, given in ((TemporalSR(4, 5), 33), (SpatialSR(2, frames=8, halo=3), 61)):
        slow, fast = plan(task, iter([1] * given)), plan(task, iter([given]))
        assert slow == fast


@pytest.mark.parametrize(("frames", "halo"), [(1, 0), (4, 0), (4, 2), (8, 3), (32, 4), (3, 5)])
def test_every_enlarged_frame_is_made_exactly_once(frames, halo):
    for total in range(1, 131):
        windows = plan(SpatialSR(4, frames=frames, halo=halo, total=total), iter([5] * (total // 5) + [total % 5]))
        assert handed_on(windows) == list(range(total))
        for window in windows:
            assert window.inputs == window.frames
            # a margin on both sides, except where the video ends
            assert window.frames == range(max(0, window.keep.start - halo), min(total, window.keep.stop + halo))


def test_a_window_waits_for_its_margin():
    task = SpatialSR(2, frames=4, halo=2)
    assert task.window(0, 5, False) is None  # a sixth may come
    assert task.window(0, 6, False) == Window(range(6), range(6), range(4))
    assert task.window(0, 5, True) == Window(range(5), range(5), range(4))
    assert task.window(4, 5, True) == Window(range(2, 5), range(2, 5), range(4, 5))
    assert task.window(5, 5, True) is None


def test_a_window_waits_for_its_last_given_frame():
    task = TemporalSR(2, intervals=3)
    assert task.window(0, 3, False) is None
    assert task.window(0, 4, False) == Window(range(4), range(1, 7), range(7))
    assert task.window(7, 4, False) is None and task.window(7, 4, True) is None
    assert task.window(7, 5, True) == Window(range(3, 7), range(7, 13), range(7, 9))


def test_16_frames_double_to_32_without_a_seam_between_windows():
    """Twice as many frames from the same seconds: frame 2 j is frame j, and the last one goes on."""
    windows = plan(TemporalSR(2, 5, 32), iter([16]))
    assert handed_on(windows) == list(range(32))
    assert [window.inputs for window in windows] == [range(6), range(5, 11), range(10, 16), range(15, 21)]


@pytest.mark.parametrize("total", [60, 61])
def test_16_frames_make_60_or_61(total):
    windows = plan(TemporalSR(4, 5, total), iter([16]))
    assert handed_on(windows) == list(range(total))
    assert len(windows) == 3 and windows[-1].inputs == range(10, 16)  # not one frame past the given ones


@pytest.mark.parametrize("factor", FACTORS)
def test_a_training_example_in_time_is_what_sampling_meets(factor, moving):
    video = moving(3 * factor + 1)
    answer, below = TemporalSR(factor, 3).shrink(video)
    assert torch.equal(below, video[:, :, ::factor]) and torch.equal(answer, video[:, :, 1:])
    shown = TemporalSR(factor, 3).show(below)
    assert shown.given_at == tuple(range(factor - 1, 3 * factor, factor))
    assert torch.equal(answer[:, :, list(shown.given_at)], shown.given)  # given frames are right where they stand
    wrong = [place - 1 for place in shown.given_at]
    assert not torch.equal(answer[:, :, wrong], shown.given)


def parts(low_res: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    before, after, fraction = low_res.split((3, 3, 1), dim=1)
    return before, after, fraction


@pytest.mark.parametrize("factor", FACTORS)
def test_a_frame_between_knows_its_keyframes_and_how_far_it_is(factor, moving):
    low = moving(4, 16, 16)
    shown = TemporalSR(factor, 3).show(low)
    before, after, fraction = parts(shown.low_res)
    way = [(index % factor + 1) / factor for index in range(3 * factor)]
    torch.testing.assert_close(fraction[0, 0, :, 3, 3], torch.tensor(way))
    torch.testing.assert_close(shown.prior, torch.lerp(before, after, fraction))
    assert torch.equal(after[:, :, factor - 1 :: factor], low[:, :, 1:])  # at its own moment nothing is moved


def test_a_still_video_has_no_motion_and_is_its_own_prior(moving):
    low = moving(1, 16, 16).expand(-1, -1, 4, -1, -1)
    shown = TemporalSR(4, 3).show(low)
    torch.testing.assert_close(shown.prior, low[:, :, :1].expand_as(shown.prior))


def test_motion_makes_a_better_prior_than_a_blend():
    down, right = torch.arange(48)[:, None], torch.arange(48)
    f = torch.arange(5)[:, None, None]
    ball = torch.exp(-((right - 14 - 1.5 * f) ** 2 + (down - 24) ** 2) / 50) * 2 - 1
    video = ball.expand(1, 3, -1, -1, -1)
    truth, low = TemporalSR(4, 1).shrink(video)
    found = (TemporalSR(4, 1).show(low).prior - truth)[:, :, 1].abs().mean()
    blend = (torch.lerp(low[:, :, 0], low[:, :, 1], 0.5) - truth[:, :, 1]).abs().mean()
    assert found < 0.3 * blend


def test_corruption_reaches_what_is_seen_and_never_what_is_given(moving):
    low = moving(4, 16, 16)
    dirty = low + 0.3
    shown, clean = TemporalSR(2, 3).show(low, dirty), TemporalSR(2, 3).show(low)
    assert torch.equal(shown.given, low[:, :, 1:])
    assert (shown.prior - clean.prior).abs().min() > 0.1 and (shown.low_res - clean.low_res).abs().max() > 0.2
    large = SpatialSR(2).show(low, dirty)
    torch.testing.assert_close(large.prior, resize(dirty, 32, 32))


@pytest.mark.parametrize("factor", FACTORS)
def test_a_training_example_in_space_is_what_sampling_meets(factor, moving):
    video = moving(2, 24, 48)
    answer, below = SpatialSR(factor).shrink(video)
    assert torch.equal(answer, video) and SpatialSR(factor).size(below) == (24, 48)
    cell = video[..., factor : 2 * factor, :factor]
    torch.testing.assert_close(below[..., 1, 0], cell.mean((-2, -1)))
    shown = SpatialSR(factor).show(below)
    assert shown.low_res.shape == video.shape and shown.given is None and torch.equal(shown.prior, shown.low_res)


def test_a_base_stage_is_shown_nothing(moving):
    video = moving(2)
    assert Base(2).shrink(video)[0] is video and Base(2).shrink(video)[1] is None
    shown = Base(2).show(None)
    assert shown.low_res is None and shown.prior is None and shown.given is None and not shown.given_at


@pytest.mark.parametrize(
    ("task", "need"), [(TemporalSR(2), "needs given frames"), (SpatialSR(2), "needs a small video")]
)
def test_super_resolution_of_nothing_is_refused(task, need):
    with pytest.raises(ValueError, match=need):
        task.show(None)


def test_corruption_mixes_in_its_share_of_noise():
    low, noise = torch.ones(3, 1, 1, 2, 2), torch.full((3, 1, 1, 2, 2), -1.0)
    mixed = corrupt(low, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert mixed[:, 0, 0, 0, 0].tolist() == [1.0, 0.5, -1.0]


def test_frames_are_shown_at_the_rate_of_their_clip():
    assert frame_seconds(3, torch.tensor([2.0, 4.0])).tolist() == [[0.0, 0.5, 1.0], [0.0, 0.25, 0.5]]

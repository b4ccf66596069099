import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framefall.flow import dense_flow
from framefall.layers import motion
from framefall.layers.motion import bidirectional_flow, carried_on, warp, warp_between


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def constant(right: float, down: float, like: Tensor) -> Tensor:
    flow = torch.tensor([right, down], dtype=like.dtype)[None, :, None, None, None]
    return flow.expand(len(like), 2, *like.shape[2:])


def drifting(frames: int, right: int, down: int, size: int = 48) -> Tensor:
    """A smooth random pattern of which each frame shows a part further on: what is seen moves left and up."""
    field = F.interpolate(noise(1, 1, 24, 24), size=(96, 96), mode="bicubic", align_corners=False)[0, 0].clamp(-1, 1)
    parts = [field[16 + down * f : 16 + down * f + size, 16 + right * f : 16 + right * f + size] for f in range(frames)]
    return torch.stack(parts)[None, None].expand(1, 3, -1, -1, -1).contiguous()


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_no_motion_moves_nothing(channels):
    video = noise(2, channels, 3, 7, 9)
    # float32 knows a place among nine pixels to a millionth
    torch.testing.assert_close(warp(video, torch.zeros(2, 2, 3, 7, 9)), video, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 2), (-3, 1)])
def test_whole_pixels_are_fetched_from_where_the_flow_points(right, down):
    video = noise(1, 3, 2, 10, 12)
    found = warp(video, constant(right, down, video))
    inner = video[..., 3:7, 3:9]
    there = video[..., 3 + down : 7 + down, 3 + right : 9 + right]
    torch.testing.assert_close(found[..., 3:7, 3:9], there, rtol=0, atol=1e-5)
    assert (found[..., 3:7, 3:9] - inner).abs().max() > 0.1
    assert (warp(video, constant(-right, -down, video))[..., 3:7, 3:9] - there).abs().max() > 0.1  # the other way


def test_half_a_pixel_is_the_mean_of_two():
    video = noise(1, 1, 1, 4, 6)
    found = warp(video, constant(0.5, 0, video))
    torch.testing.assert_close(found[..., :-1], (video[..., :-1] + video[..., 1:]) / 2, rtol=0, atol=1e-5)


def test_beyond_the_border_the_border_counts():
    video = noise(1, 2, 1, 5, 6)
    found = warp(video, constant(100, 0, video))
    torch.testing.assert_close(found, video[..., -1:].expand_as(video))


def test_each_frame_and_clip_has_its_own_motion():
    video, flow = noise(2, 1, 2, 5, 6), torch.zeros(2, 2, 2, 5, 6)
    flow[1, 0, 0] = 1.0
    found = warp(video, flow)
    torch.testing.assert_close(found[1, :, 0, :, :-1], video[1, :, 0, :, 1:], rtol=0, atol=1e-5)
    flow[1, 0, 0] = 0.0
    rest = warp(video, flow)
    assert torch.equal(found[0], rest[0]) and torch.equal(found[1, :, 1], rest[1, :, 1])


@pytest.mark.parametrize("reach", [0.0, 0.5, 100.0])
def test_gradients_are_finite_within_at_and_beyond_the_border(reach):
    video = noise(1, 3, 2, 6, 6).requires_grad_()
    flow = constant(reach, -reach, video.detach()).clone().requires_grad_()
    warp(video, flow).square().sum().backward()
    assert video.grad.isfinite().all() and flow.grad.isfinite().all()
    assert video.grad.any() and bool(flow.grad.any()) == (reach < 100)  # far outside a step changes nothing


def test_motion_says_where_each_pixel_goes():
    keyframes = drifting(3, 2, 1)
    forward, backward = bidirectional_flow(keyframes)
    assert forward.shape == backward.shape == (1, 2, 2, 48, 48)
    middle = forward[..., 12:36, 12:36].mean((0, 2, 3, 4)), backward[..., 12:36, 12:36].mean((0, 2, 3, 4))
    # what a frame shows lies two pixels to the left and one up in the next; DIS is good to a tenth of a pixel here
    torch.testing.assert_close(middle[0], torch.tensor([-2.0, -1.0]), rtol=0, atol=0.1)
    torch.testing.assert_close(middle[1], torch.tensor([2.0, 1.0]), rtol=0, atol=0.1)


def test_a_still_video_does_not_move():
    forward, backward = bidirectional_flow(drifting(1, 0, 0).expand(-1, -1, 3, -1, -1))
    assert forward.abs().max() < 0.05 and backward.abs().max() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 300), (5, 7), (200, 130)], ids=str)
def test_motion_has_the_size_of_its_picture(size):
    for flow in bidirectional_flow(noise(2, 1, 3, *size).clamp(-1, 1)):
        assert flow.shape == (2, 2, 2, *size) and flow.isfinite().all()


def test_a_clip_does_not_depend_on_its_batch():
    keyframes = torch.cat((drifting(2, 1, 0), drifting(2, 0, 2)))
    alone = [bidirectional_flow(keyframes[clip : clip + 1])[0] for clip in (0, 1)]
    assert torch.equal(torch.cat(alone), bidirectional_flow(keyframes)[0])
    assert not torch.equal(*alone)


def test_both_keyframes_are_moved_to_the_moment_between():
    video = drifting(5, 1, 0)
    before, after = video[:, :, :1], video[:, :, -1:]
    forward, backward = bidirectional_flow(video[:, :, ::4])
    half = torch.full((1, 1, 1, 48, 48), 0.5)
    inner = (..., slice(8, 40), slice(8, 40))
    for keyframe, moved in zip((before, after), warp_between(before, after, forward, backward, half), strict=True):
        error = (moved - video[:, :, 2:3])[inner].abs().mean()
        assert error < 0.3 * (keyframe - video[:, :, 2:3])[inner].abs().mean()


def test_at_a_keyframe_the_keyframe_itself_stays():
    video = drifting(2, 2, 1)
    before, after = video[:, :, :1], video[:, :, 1:]
    forward, backward = bidirectional_flow(video)
    ends = [torch.full((1, 1, 1, 48, 48), end) for end in (0.0, 1.0)]
    torch.testing.assert_close(warp_between(before, after, forward, backward, ends[0])[0], before, rtol=0, atol=1e-5)
    torch.testing.assert_close(warp_between(before, after, forward, backward, ends[1])[1], after, rtol=0, atol=1e-5)


def test_motion_that_was_found_wrong_is_not_followed():
    video = drifting(2, 0, 0)
    before, after = video[:, :, :1], video[:, :, 1:]
    wrong, half = constant(5.0, -4.0, before), torch.full((1, 1, 1, 48, 48), 0.5)
    moved = warp_between(before, after, wrong, wrong, half)
    assert torch.equal(moved[0], before) and torch.equal(moved[1], after)
    assert (warp(before, wrong / 4) - before).abs().mean() > 0.01


def test_a_motion_that_was_found_a_moment_ago_is_not_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    video, found = torch.rand(1, 3, 4, 16, 16), []

    def spy(*given: object) -> object:
        found.append(given)
        return dense_flow(*given)

    monkeypatch.setattr(motion, "dense_flow", spy)
    first, again = (bidirectional_flow(video) for _ in range(2))
    assert len(found) == 6 and all(map(torch.equal, first, again))
    monkeypatch.setattr(motion, "_SMALL", 0)  # what is large is found each time, and is the same
    assert all(map(torch.equal, first, bidirectional_flow(video))) and len(found) == 12
    assert not any(map(torch.equal, first, bidirectional_flow(video.flip(2))))  # the control: another video


def test_what_drifts_drifts_on_by_any_number_of_steps():
    video = drifting(6, 1, 2)
    for steps in (1, 2):
        found, truth = carried_on(video[:, :, :3], steps), video[:, :, 2 + steps : 3 + steps]
        inner = (..., slice(8, -8), slice(8, -8))
        assert (found - truth)[inner].abs().mean() < 0.25 * (video[:, :, 2:3] - truth)[inner].abs().mean()
    half = carried_on(video[:, :, :3], 0.5)
    still = video[:, :, :1]
    torch.testing.assert_close(carried_on(still.expand(-1, -1, 3, -1, -1), 1), still, rtol=0, atol=1e-4)
    gone = (half - video[:, :, 2:3])[inner].abs().mean() / (video[:, :, 3:4] - video[:, :, 2:3])[inner].abs().mean()
    assert 0.3 < gone < 0.8


def test_a_change_of_speed_goes_on_and_of_two_frames_none_is_known():
    rows = drifting(7, 1, 0)[:, :, [0, 1, 3, 6]]  # moved by 1, by 2, by 3
    inner = (..., slice(8, -8), slice(8, -8))
    three, two = ((carried_on(rows[:, :, first:3], 1) - rows[:, :, 3:])[inner].abs().mean() for first in (0, 1))
    assert three < 0.5 * two

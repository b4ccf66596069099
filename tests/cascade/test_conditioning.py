import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import Conditioning, coasting, corrupt, first_frames, frame_seconds, shown
from framefall.cascade.known import Known
from framefall.diffusion.process import RectifiedFlow
from framefall.layers.coasting import coasted


def test_nothing_is_known_unless_it_is_said():
    known = Conditioning()
    assert known.low_res is known.prior is known.known is known.levels is None


def test_first_frames_are_kept_the_rest_is_zero_and_a_channel_says_which(moving):
    video = moving(6, clips=3)
    told = shown(video, first_frames(video, torch.tensor([0, 2, 6])))
    assert told.shape == (3, 4, 6, 8, 8)
    for clip, count in enumerate((0, 2, 6)):
        assert torch.equal(told[clip, :3, :count], video[clip, :, :count])
        assert not told[clip, :, count:].any()
        assert (told[clip, 3, :count] == 1).all()


def test_corruption_mixes_in_its_share_of_noise():
    low, noise = torch.ones(3, 1, 1, 2, 2), torch.full((3, 1, 1, 2, 2), -1.0)
    mixed = corrupt(low, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert mixed[:, 0, 0, 0, 0].tolist() == [1.0, 0.5, -1.0]


def test_frames_are_shown_at_the_rate_of_their_clip():
    assert frame_seconds(3, torch.tensor([2.0, 4.0])).tolist() == [[0.0, 0.5, 1.0], [0.0, 0.25, 0.5]]


def test_a_frame_in_doubt_is_shown_with_its_own_noise_and_none_is_shown_when_all_are_forgotten(moving):
    video, noise, process = moving(4), torch.randn(1, 3, 4, 8, 8), RectifiedFlow()
    levels = torch.tensor([[0.0, 0.25, torch.nan, torch.nan]])
    known = Conditioning(known=Known(video=video), levels=levels)
    t = torch.tensor([0.5])
    x_t = process.add_noise(video, noise, t)
    shown, times = known.applied(x_t, t, process)
    assert times.tolist() == [[0.0, 0.25, 0.5, 0.5]] and torch.equal(shown[:, :, 0], video[:, :, 0])
    torch.testing.assert_close(shown[:, :, 1], 0.75 * video[:, :, 1] + 0.25 * noise[:, :, 1])
    assert torch.equal(shown[:, :, 2:], x_t[:, :, 2:])
    forgotten, times = known.applied(x_t, t, process, forgotten=True)
    assert times.tolist() == [[1.0, 1.0, 0.5, 0.5]]
    torch.testing.assert_close(forgotten[:, :, :2], noise[:, :, :2], rtol=0, atol=1e-5)


def passing(frames: int) -> Tensor:
    """A bright square that crosses a dark picture, a pixel a frame."""
    video = torch.full((1, 3, frames, 32, 32), -0.5)
    for frame in range(frames):
        video[:, :, frame, 12:18, 4 + frame : 10 + frame] = 0.8
    return video


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ((0, 1, 2), {3: (0, 1, 2), 7: (0, 1, 2)}),
        ((5, 6, 7), {0: (7, 6, 5), 4: (7, 6, 5)}),
        ((0, 1, 6, 7), {2: (0, 1), 3: (0, 1), 4: (7, 6), 5: (7, 6)}),
        ((0, 3, 4), {1: (4, 3), 2: (4, 3), 5: (3, 4)}),  # one frame has no motion
        ((0, 4, 7), {}),
        ((), {}),
    ],
)
def test_unknown_frames_are_shown_what_leaves_the_nearest_run(known, expected):
    video = passing(8)
    there = torch.tensor([[frame in known for frame in range(8)]])
    given = there[:, None, :, None, None].float().expand(1, 1, 8, 32, 32)
    told = coasting(shown(video, given), video, there)
    assert torch.equal(told[:, :, list(known)], shown(video, given)[:, :, list(known)])
    others = [frame for frame in range(8) if frame not in known]
    assert float(told[:, 3, others].max()) <= 0.5  # never as sure as what is given
    for frame in others:
        if frame not in expected:
            assert expected or not told[:, :, frame].any()
            continue
        run = list(expected[frame])
        layer = coasted(video[:, :, run], [abs(frame - run[-1])])[:, :, 0]
        assert torch.equal(told[:, :3, frame], layer[:, :3]) and torch.equal(told[:, 3, frame], layer[:, 3] / 2)
        assert layer.any()

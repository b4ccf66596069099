import torch

from framefall.cascade.conditioning import Conditioning, corrupt, first_frames, frame_seconds, shown
from framefall.cascade.known import Known
from framefall.diffusion.process import RectifiedFlow


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

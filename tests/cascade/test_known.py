"""What is known of a clip, on the grids of its stages."""

import pytest
import torch

from framefall.cascade.known import Known, known_frames, placed
from framefall.video import resize

CPU = torch.device("cpu")


def test_what_is_known_replaces_to_the_bit_and_a_soft_mask_mixes(moving):
    video, other = moving(4), torch.randn(1, 3, 4, 8, 8)
    mask = torch.zeros(1, 1, 4, 8, 8)
    mask[:, :, :, :4] = 1.0
    kept = Known(video=video, mask=mask).kept(other)
    assert torch.equal(kept[..., :4, :], video[..., :4, :]) and torch.equal(kept[..., 4:, :], other[..., 4:, :])
    torch.testing.assert_close(
        Known(video=video, mask=mask / 4).kept(other)[..., 0, 0], (video + 3 * other)[..., 0, 0] / 4
    )


def test_a_piece_is_seen_by_each_stage_at_its_moments_and_its_size(moving):
    piece = Known(video=moving(9, 16, 16), start=0.5, fps=24.0)  # frames 12 .. 20 of 24 a second
    full = placed([piece], range(10, 25), 24.0, (16, 16), 1, CPU)
    assert full.whole_frames()[0].tolist() == [0, 0, *9 * [1], 0, 0, 0, 0]
    assert torch.equal(full.video[:, :, 2:11], piece.video)
    base = placed([piece], range(16), 6.0, (8, 8), 2, CPU)
    assert base.whole_frames()[1].nonzero().flatten().tolist() == [3, 4, 5]
    assert torch.equal(base.video[1:, :, 3:6], resize(piece.video, 8, 8, "area")[:, :, ::4])
    assert placed([piece], range(3), 6.0, (8, 8), 1, CPU) is None  # nothing is shown so early
    assert placed([piece], range(16), 6.0, (32, 32), 1, CPU) is None  # nothing is made larger
    off = Known(video=piece.video, start=0.51, fps=24.0)
    assert placed([off], range(16), 6.0, (8, 8), 1, CPU) is None  # none of its frames is shown when one of these is


def test_later_pieces_lie_over_earlier_ones_as_far_as_their_masks_say(moving):
    below, above = Known(video=moving(4)), Known(video=-moving(4), mask=torch.zeros(1, 1, 4, 8, 8))
    above.mask[..., :4] = 1.0
    both = placed([below, above], range(4), 24.0, (8, 8), 1, CPU)
    assert torch.equal(both.video[..., :4], above.video[..., :4])
    assert torch.equal(both.video[..., 4:], below.video[..., 4:]) and bool((both.weights == 1).all())


def test_the_frames_that_are_known_from_edge_to_edge_in_every_clip(moving):
    mask = torch.ones(2, 1, 6, 8, 8)
    mask[1, :, 2, 0, 0] = 0.5
    pieces = [Known(video=moving(6, clips=2), mask=mask, fps=6.0), Known(video=moving(1), start=1.5)]
    assert known_frames(pieces, 6.0, 16) == {0, 1, 3, 4, 5, 9}
    assert known_frames(pieces, 6.0, 5) == {0, 1, 3, 4}


def test_a_clip_of_what_is_known_of_several(moving):
    video = moving(2, clips=3)
    assert torch.equal(Known(video=video).of(slice(2, 3)).video, video[2:])
    shared = Known(video=video[:1], mask=torch.rand(3, 1, 2, 1, 1)).of(slice(1, 2))
    assert shared.video.shape[0] == 1 and shared.mask.shape == (1, 1, 2, 1, 1)
    doubt = torch.tensor([0.0, 0.1])
    assert torch.equal(Known(video=video, doubt=doubt).of(slice(0, 1)).doubt, doubt)  # of frames, not of clips


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"video": torch.zeros(1, 3, 0, 8, 8)}, "known video must be"),
        ({"fps": 0.0}, "fps of what is known must be above 0, got 0.0"),
        ({"fps": float("nan")}, "fps of what is known must be above 0, got nan"),
        ({"mask": torch.ones(1, 1, 2, 4, 8)}, "mask must be"),
        ({"video": torch.zeros(2, 3, 2, 8, 8), "mask": torch.ones(3, 1, 2, 8, 8)}, "mask must be"),
        ({"mask": torch.full((1, 1, 2, 1, 1), 1.5)}, "a mask must be in 0..1, got 1.5 to 1.5"),
        ({"mask": torch.full((1, 1, 2, 1, 1), float("nan"))}, "a mask must be in 0..1"),
    ],
)
def test_what_is_no_knowledge_is_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        Known(**{"video": torch.zeros(1, 3, 2, 8, 8)} | values)

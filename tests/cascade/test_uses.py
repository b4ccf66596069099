"""Each use: where what is given lies on the clip's frames, and how long the clip is."""

import pytest
import torch

from framefall.cascade import uses
from framefall.cascade.cascade import Cascade
from framefall.cascade.uses import Canvas
from framefall.video import resize

CANVAS = Canvas(fps=24.0, step=4, frames=60, window=64, sizes=((8, 8), (16, 16)))


def test_a_canvas_is_what_a_cascade_makes(cascade: Cascade):
    assert Canvas.of(cascade) == Canvas(fps=12.0, step=2, frames=15, window=16, sizes=((16, 16), (32, 32)))
    assert Canvas.of(cascade, "base") == Canvas(fps=6.0, step=1, frames=8, window=8, sizes=((16, 16),))


@pytest.mark.parametrize(
    ("size", "made"),
    [
        ((16, 16), (16, 16)),
        ((32, 48), (16, 16)),
        ((8, 8), (8, 8)),
        ((12, 30), (8, 8)),
        ((4, 5), (8, 8)),
        ((16, 15), (8, 8)),
    ],
)
def test_a_picture_of_any_size_is_made_one_that_a_stage_makes(moving, size, made):
    assert CANVAS.fit(moving(2, *size)).shape[-2:] == made


def test_a_picture_of_the_right_size_keeps_its_bits_and_one_too_wide_its_middle(moving):
    video = moving(2, 16, 16)
    assert torch.equal(CANVAS.fit(video), video)
    wide = moving(2, 16, 24)
    assert torch.equal(CANVAS.fit(wide), wide[..., 4:20])
    large = moving(2, 32, 32)
    assert torch.equal(CANVAS.fit(large), resize(large, 16, 16, "area"))  # block means, as training has them


def test_images_are_put_at_the_nearest_frame_of_the_base(moving):
    use = uses.images(CANVAS, [(moving(1, 16, 16), 0.0), (moving(1, 16, 16), 2.45)])
    assert [piece.start * 24 for piece in use.known] == [0, 60] and use.frames == 61
    assert uses.images(CANVAS, [(moving(1, 16, 16), 0.0)]).frames == 60
    with pytest.raises(ValueError, match=r"an image must lie within the clip, got 2\.5 s of 1 s"):
        uses.images(CANVAS, [(moving(1, 16, 16), 2.5)], 24)
    for second in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="an image must come at a finite time of at least 0 seconds"):
            uses.images(CANVAS, [(moving(1, 16, 16), second)])


@pytest.mark.parametrize(
    ("side", "frames", "start", "total"),
    [
        ("after", 100, 0, 100),
        ("before", 100, 84, 97),
        ("both", 100, 40, 100),
        ("after", None, 0, 73),
        ("before", None, 60, 73),
        ("both", None, 60, 133),
    ],
)
def test_a_video_is_gone_on_from_on_either_side(moving, side, frames, start, total):
    use = uses.extended(CANVAS, moving(13, 16, 16), side, frames)
    (piece,) = use.known
    assert (round(piece.start * 24), use.frames) == (start, total)
    assert start % CANVAS.step == 0  # the base has a frame there


def test_a_clip_that_is_to_be_longer_must_be_longer(moving):
    with pytest.raises(ValueError, match="must be longer than what is given, got 13 frames, 13 of them given"):
        uses.extended(CANVAS, moving(13, 16, 16), "after", 13)


def test_two_videos_are_joined_and_something_lies_between(moving):
    use = uses.connected(CANVAS, moving(13, 16, 16), moving(5, 16, 16))
    first, last = use.known
    assert first.start == 0 and round(last.start * 24) % 4 == 0 and use.frames == round(last.start * 24) + 5
    assert round(last.start * 24) - 13 >= 32  # half a window
    with pytest.raises(ValueError, match="something must lie between two videos, got 17 frames for 13 and 5"):
        uses.connected(CANVAS, moving(13, 16, 16), moving(5, 16, 16), 17)


def test_what_a_mask_marks_is_made_anew(moving):
    anew = torch.zeros(1, 1, 1, 16, 16)
    anew[..., :4, :] = 1.0
    use = uses.painted(CANVAS, moving(3, 16, 16), anew)
    (piece,) = use.known
    assert torch.equal(piece.mask, (1 - anew).expand(-1, -1, 3, -1, -1)) and use.frames == 3
    with pytest.raises(ValueError, match="a mask must have the video's size and one frame or all, got 1 frames of 8x8"):
        uses.painted(CANVAS, moving(3, 16, 16), anew[..., :8, :8])


def test_a_video_that_is_drawn_again_is_not_kept(moving):
    (piece,) = uses.redrawn(CANVAS, moving(3, 16, 16)).known
    assert not piece.weights.any()

import math

import numpy as np
import pytest
import torch

from framefall.video import VideoShape, from_pixels, resize, to_frames, to_pixels


def video(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("dtype, top", [(torch.uint8, 255), (torch.uint16, 65535)], ids=["8 bits", "16 bits"])
def test_every_pixel_value_survives_the_round_trip(dtype, top):
    pixels = torch.arange(top + 1, dtype=torch.int32).to(dtype)
    floats = from_pixels(pixels)
    assert floats.dtype == torch.float32 and (floats.min(), floats.max()) == (-1.0, 1.0)
    assert torch.equal(to_pixels(floats, dtype).to(torch.int32), pixels.to(torch.int32))
    # the control: a range of 0..256 instead of 0..255 loses values
    careless = ((floats + 1) * (top + 1) / 2).round().clamp(0, top).to(torch.int32)
    assert not torch.equal(careless, pixels.to(torch.int32))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_frames_are_the_first_clips_bytes_as_files_take_them(channels):
    clips = video(2, channels, 4, 3, 2)
    frames = to_frames(clips)
    assert frames.shape == (4, 3, 2, channels) and frames.dtype == np.uint8
    assert np.array_equal(frames[1, 2, 0], to_pixels(clips[0, :, 1, 2, 0]).numpy())


def test_pixels_leave_their_source_alone():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    from_pixels(pixels).zero_()
    assert pixels.max() == 11
    floats = video(2, 3)
    before = floats.clone()
    to_pixels(floats)
    assert torch.equal(floats, before)


def test_pixels_may_be_read_only_or_run_backwards():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    expected = from_pixels(pixels)
    frozen = pixels.copy()
    frozen.flags.writeable = False
    assert torch.equal(from_pixels(frozen), expected)  # a warning would be an error here
    assert torch.equal(from_pixels(pixels[::-1]), expected.flip(0))
    assert torch.equal(from_pixels(pixels.T), expected.T)


def test_out_of_range_is_clipped_and_not_wrapped():
    assert to_pixels(torch.tensor([-1.5, 1.5, -1.004, 1.004])).tolist() == [0, 255, 0, 255]


def test_pixels_of_another_type_are_refused():
    with pytest.raises(ValueError, match=r"uint8 or uint16, got torch\.float32"):
        from_pixels(np.zeros(3, dtype=np.float32))
    with pytest.raises(ValueError, match=r"uint8 or uint16, got torch\.int64"):
        to_pixels(torch.zeros(3), torch.int64)


def test_area_is_the_mean_of_each_block():
    clip = video(2, 5, 3, 8, 12)
    small = resize(clip, 4, 6, "area")
    blocks = clip.unflatten(-1, (6, 2)).unflatten(-3, (4, 2)).mean(dim=(-1, -3))
    torch.testing.assert_close(small, blocks)
    torch.testing.assert_close(resize(small, 2, 3, "area"), resize(clip, 2, 3, "area"))  # twice by 2 is by 4
    assert (small - clip[..., ::2, ::2]).abs().max() > 0.1  # the control: one pixel of each block is not its mean


@pytest.mark.parametrize("mode", ["area", "bicubic"])
@pytest.mark.parametrize("size", [(4, 4), (16, 16), (5, 11)], ids=str)
def test_each_frame_is_resized_as_an_image_of_its_own(mode, size):
    clip = video(2, 3, 4, 8, 8)
    whole = resize(clip, *size, mode)
    assert whole.shape == (2, 3, 4, *size)
    for frame in range(4):
        torch.testing.assert_close(whole[:, :, frame : frame + 1], resize(clip[:, :, frame : frame + 1], *size, mode))
    torch.testing.assert_close(whole[1], resize(clip[1], *size, mode))  # a clip without a batch


@pytest.mark.parametrize("mode", ["area", "bicubic"])
def test_a_flat_picture_stays_flat(mode):
    for size in (3, 8, 20):
        torch.testing.assert_close(
            resize(torch.full((1, 4, 2, 8, 8), 0.3), size, size, mode), torch.full((1, 4, 2, size, size), 0.3)
        )


def test_shrinking_does_not_alias():
    stripes = torch.tensor([-1.0, 1.0, 1.0, -1.0]).repeat(8).expand(1, 1, 1, 32, 32)
    assert resize(stripes, 8, 8)[..., 1:-1].abs().max() < 0.2  # too fine for a quarter of the size: grey
    # the control: interpolation alone looks at the middle of each stripe, and sees white
    blind = torch.nn.functional.interpolate(stripes[:, :, 0], (8, 8), mode="bicubic", align_corners=False)
    assert blind.min() > 0.9


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode must be one of area, bicubic; got 'nearest'"):
        resize(video(1, 1, 1, 4, 4), 2, 2, "nearest")


@pytest.mark.parametrize("name", ["channels", "frames", "height", "width", "fps"])
def test_a_shape_has_no_empty_side(name):
    kind = type(getattr(VideoShape(), name))
    for wrong in (kind(0), kind(-3)):
        with pytest.raises(ValueError, match=f"{name} must be above 0, got {wrong}"):
            VideoShape(**{name: wrong})
    assert getattr(VideoShape(**{name: kind(2)}), name) == 2


def test_a_shape_needs_a_rate_that_is_a_number():
    with pytest.raises(ValueError, match="fps must be above 0, got nan"):
        VideoShape(fps=math.nan)

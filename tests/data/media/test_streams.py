from fractions import Fraction

import av
import numpy as np
import pytest
from encodes import clock, encode, grey, number_of, textured

from framefall.data.media.decode import DecodeError, decode, probe
from framefall.data.media.streams import over_black


def pictures(path, **settings):
    return [frame.pixels for frame in decode(path, **settings)]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_rotated_video_comes_out_upright(tmp_path, rotation):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24], upright[:16, 24:], upright[16:, :24] = (220, 30, 30), (30, 220, 30), (30, 30, 220)
    stored = np.ascontiguousarray(np.rot90(upright, -rotation // 90))  # the player turns it back, counter-clockwise
    path = encode(tmp_path / "a.mp4", [stored] * 3, rotation=rotation, pixel_format="yuv444p")
    assert probe(path).rotation == rotation and (probe(path).width, probe(path).height) == (48, 32)
    assert np.abs(pictures(path)[0].astype(int) - upright).max() <= 12  # the codec's loss at the edges
    if rotation:  # what a reader that ignores rotation would see is far from it
        assert stored.shape != upright.shape or np.abs(stored.astype(int) - upright).max() > 100


def test_a_mirrored_video_is_mirrored(tmp_path):
    image = textured(1)[0]
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.set_display_rotation(0, hflip=True)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    assert np.abs(pictures(tmp_path / "a.mp4")[0].astype(int) - image[:, ::-1]).mean() < 8


def test_each_frame_of_a_variable_rate_video_keeps_its_time(tmp_path):
    stamps = [0, 3, 4, 10, 11, 20]  # hundredths of a second
    path = encode(tmp_path / "a.mkv", clock(6), 100, stamps=stamps, base=Fraction(1, 100))
    frames = list(decode(path))
    assert [number_of(frame.pixels) for frame in frames] == list(range(6))
    assert [frame.time for frame in frames] == pytest.approx([stamp / 100 for stamp in stamps], abs=1e-6)


def test_a_start_that_is_not_zero_is_time_zero(tmp_path):
    path = encode(tmp_path / "a.mkv", clock(5), 25, stamps=[50 + 4 * i for i in range(5)], base=Fraction(1, 100))
    frames = list(decode(path))
    assert frames[0].time == 0 and frames[-1].time == pytest.approx(0.16)
    assert len(list(decode(path, fps=25.0))) == 5


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (35, 64)])
def test_odd_sizes_are_kept(tmp_path, size):
    path = encode(tmp_path / "a.mp4", grey([60] * 3, *size), pixel_format="yuv444p")
    assert pictures(path)[0].shape == (*size, 3)


def test_pixels_come_out_square(tmp_path):
    path = encode(tmp_path / "a.mp4", clock(3), aspect=Fraction(2, 1))
    assert pictures(path)[0].shape == (32, 96, 3) and probe(path).width == 96


COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128], [250, 250, 250], [5, 5, 5]], np.uint8)


@pytest.mark.parametrize(("space", "name"), [(1, "BT.709"), (5, "BT.601")])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv444p10le"])
def test_colours_come_back_whatever_their_coding(tmp_path, space, name, full, pixel_format):
    image = np.repeat(np.repeat(COLOURS[None], 16, axis=1), 32, axis=0)
    tags = {"colorspace": space, "color_range": 2 if full else 1}
    path = encode(tmp_path / "a.mkv", [image] * 2, pixel_format=pixel_format, colours=tags, options={"crf": "1"})
    centres = pictures(path)[0][16, 8::16]
    assert np.abs(centres.astype(int) - COLOURS).max() <= 3


def test_the_wrong_matrix_would_be_seen(tmp_path):
    image = np.repeat(np.repeat(COLOURS[None], 16, axis=1), 32, axis=0)
    tags = {"colorspace": 5, "color_range": 1}
    path = encode(tmp_path / "a.mkv", [image] * 2, pixel_format="yuv444p", colours=tags, options={"crf": "1"})
    with av.open(str(path)) as container:
        raw = next(container.decode(video=0))
        wrong = raw.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()[16, 8::16]
    assert np.abs(wrong.astype(int) - COLOURS).max() > 3


def test_every_truncation_is_noticed(tmp_path):
    whole = encode(tmp_path / "a.mp4", textured(30), container={"movflags": "faststart"}).read_bytes()
    begin = whole.find(b"mdat") + 4
    for part in (0.1, 0.3, 0.5, 0.7, 0.85):
        (tmp_path / "b.mp4").write_bytes(whole[: begin + int((len(whole) - begin) * part)])
        with pytest.raises(DecodeError, match=r"after \d"):
            list(decode(tmp_path / "b.mp4"))
    (tmp_path / "b.mp4").write_bytes(whole[: begin + int((len(whole) - begin) * 0.975)])
    assert 27 <= len(pictures(tmp_path / "b.mp4")) < 30  # over nine tenths: the good frames are kept


def test_damage_in_the_middle_is_noticed_where_the_decoder_hides_it(tmp_path):
    whole = bytearray(encode(tmp_path / "a.mp4", textured(30)).read_bytes())
    middle = whole.find(b"mdat") + 4 + len(whole) // 3
    whole[middle : middle + 400] = bytes(400)
    (tmp_path / "b.mp4").write_bytes(whole)
    with pytest.raises(DecodeError, match="damaged after"):
        list(decode(tmp_path / "b.mp4"))


def test_what_is_transparent_turns_black():
    glass = np.array([[[200, 100, 50, 255], [200, 100, 50, 128], [200, 100, 50, 0]]], np.uint8)
    assert over_black(glass).tolist() == [[[200, 100, 50], [100, 50, 25], [0, 0, 0]]]

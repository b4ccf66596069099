from fractions import Fraction

import av
import numpy as np
import pytest
from encodes import clock, encode, grey, number_of, sample, textured
from PIL import Image

from framefall.data.decode import DecodeError, Limits, decode, probe
from framefall.data.timeline import rate_for


def pictures(path, **settings):
    return [frame.pixels for frame in decode(path, **settings)]


def test_every_frame_of_a_real_clip_comes_in_order():
    frames = list(decode(sample("carphone_pristine.mp4")))
    info = probe(sample("carphone_pristine.mp4"))
    assert len(frames) == info.frames == 120
    assert frames[0].pixels.shape == (144, 193, 3)  # 176 wide, of pixels 128:117
    assert frames[0].time == 0 and info.fps == pytest.approx(30000 / 1001, rel=1e-4)
    assert np.diff([frame.time for frame in frames]) == pytest.approx(1001 / 30000, abs=1e-4)
    assert info.duration == pytest.approx(120 * 1001 / 30000, abs=1e-3)


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


def test_the_picture_at_each_moment_is_the_one_the_file_shows_then(tmp_path):
    stamps = [0, 3, 4, 10, 11, 20, 30]
    path = encode(tmp_path / "a.mkv", clock(7), 100, stamps=stamps, base=Fraction(1, 100))
    frames = list(decode(path, fps=50.0))
    shown = [max(i for i, stamp in enumerate(stamps) if stamp <= 2 * n) for n in range(len(frames))]
    assert [number_of(frame.pixels) for frame in frames] == shown
    assert [frame.time for frame in frames] == [n / 50 for n in range(len(frames))]
    assert [frame.source for frame in frames] == shown
    # a reader that takes every second frame (by count, not by time) shows something else
    assert [2 * n for n in range(3)] != shown[:3]


@pytest.mark.parametrize(("rate", "fps"), [(24, 8), (30, 12), (25, 24), (Fraction(30000, 1001), 24), (12, 24)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_resampling_gives_the_latest_frame_and_the_rounded_count(tmp_path, rate, fps, suffix):
    path = encode(tmp_path / f"a{suffix}", clock(50), rate)
    frames = list(decode(path, fps=float(fps)))
    assert len(frames) == round(50 / float(rate) * fps)
    exact = [Fraction(n, fps) * Fraction(rate) for n in range(len(frames))]
    early = Fraction(rate) / 1000 if suffix == ".mkv" else 0  # Matroska's clock is in milliseconds
    for frame, position in zip(frames, exact, strict=True):
        assert number_of(frame.pixels) in (min(49, int(position)), min(49, int(position + early)))


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


def test_shrinking_averages_areas_and_nothing_is_enlarged(tmp_path):
    checks = np.zeros((64, 96, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    Image.fromarray(checks).save(tmp_path / "a.png")
    small = pictures(tmp_path / "a.png", short_side=16)[0]
    assert small.shape == (16, 24, 3) and np.abs(small.astype(int) - 128).max() <= 1
    assert pictures(tmp_path / "a.png", short_side=100)[0].shape == (64, 96, 3)
    assert set(np.unique(checks[::4, ::4])) == {255}  # taking every fourth pixel would be wrong by half the range


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


def test_one_channel_is_grey_and_four_carry_transparency(tmp_path):
    path = encode(tmp_path / "a.mp4", grey([0, 128, 255]))
    levels = [int(p[5, 5, 0]) for p in pictures(path, channels=1)]
    assert levels == pytest.approx([0, 128, 255], abs=1) and pictures(path, channels=1)[0].shape == (32, 48, 1)
    glass = np.full((8, 8, 4), (200, 100, 50, 128), np.uint8)
    Image.fromarray(glass).save(tmp_path / "a.png")
    assert np.array_equal(pictures(tmp_path / "a.png", channels=4)[0], glass)
    assert pictures(tmp_path / "a.png")[0][0, 0].tolist() == [100, 50, 25]
    assert "transparent" in probe(tmp_path / "a.png").notes[0]
    with pytest.raises(ValueError, match="channels must be one of 1, 3, 4"):
        decode(path, channels=2)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_images_are_videos(tmp_path, suffix):
    images = [Image.fromarray(image) for image in clock(6, step=30)]
    images[0].save(
        tmp_path / f"a{suffix}", save_all=True, append_images=images[1:], duration=[100, 200, 100, 100, 100, 50]
    )
    frames = list(decode(tmp_path / f"a{suffix}"))
    assert [number_of(frame.pixels, 30) for frame in frames] == list(range(6))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.4, 0.5, 0.6])
    assert probe(tmp_path / f"a{suffix}").duration == pytest.approx(0.65)


def test_a_photograph_is_turned_by_its_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(textured(1)[0]).save(tmp_path / "a.jpg", exif=exif)
    assert pictures(tmp_path / "a.jpg")[0].shape == (64, 48, 3)
    info = probe(tmp_path / "a.jpg")
    assert (info.width, info.height, info.frames, info.rotation) == (48, 64, 1, 270)


def test_sixteen_bit_images_keep_their_brightness(tmp_path):
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "a.png")
    assert pictures(tmp_path / "a.png")[0][0, 0, 0] == 40000 >> 8


def test_a_folder_of_frames_is_a_video_in_counting_order(tmp_path):
    for index, image in enumerate(clock(12)):
        Image.fromarray(image).save(tmp_path / f"frame{index}.png")  # frame10 sorts before frame2 as text
    assert [number_of(p) for p in pictures(tmp_path)] == list(range(12))
    assert probe(tmp_path).fps == 24
    (tmp_path / "fps.txt").write_text("12.5\n")
    assert [frame.time for frame in decode(tmp_path)][-1] == pytest.approx(11 / 12.5)


def test_the_kind_is_told_by_the_content_and_not_by_the_name(tmp_path):
    encode(tmp_path / "a.mp4", clock(3)).rename(tmp_path / "a.avi")
    assert len(pictures(tmp_path / "a.avi")) == 3


@pytest.mark.parametrize(
    "text", ["#EXTM3U\nsecret.mp4\n", "ffconcat version 1.0\nfile secret.mp4\n", "<MPD></MPD>", "v=0\n"]
)
def test_playlists_are_refused(tmp_path, text):
    encode(tmp_path / "secret.mp4", clock(3))
    (tmp_path / "a.mp4").write_text(text)
    with pytest.raises(DecodeError, match="playlist"):
        list(decode(tmp_path / "a.mp4"))


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


def test_limits_are_kept(tmp_path):
    path = encode(tmp_path / "a.mp4", clock(10))
    for limits in (Limits(frames=5), Limits(seconds=0.2), Limits(pixels=1000)):
        with pytest.raises(DecodeError, match="limit"):
            list(decode(path, limits=limits))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x00\x00\x00\x18ftypisom" + bytes(12), b"\x89PNG\r\n\x1a\n", b"GIF89a\x01"]
)
def test_what_is_no_video_is_a_decode_error_in_one_sentence(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    for read in (lambda: list(decode(tmp_path / "a.mp4")), lambda: probe(tmp_path / "a.mp4")):
        with pytest.raises(DecodeError) as caught:
            read()
        assert "\n" not in caught.value.reason and "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "wanted", "kept", "one_to_one"),
    [(24, 24, 24, True), (30, 24, 24, False), (25, 24, 24, False), (24000 / 1001, 24, 24, True), (23, 24, 24, True),
     (22, 24, 12, False), (12, 24, 12, True), (10, 24, 8, False), (60, 24, 24, False), (1, 24, 1, True),
     (5, 6, 3, False)],
)  # fmt: skip
def test_the_rate_that_is_kept_never_shows_a_frame_twice(source, wanted, kept, one_to_one):
    rate, every = rate_for(float(source), float(wanted))
    assert (rate, every) == (pytest.approx(kept), one_to_one)
    if not every:
        shown = [int(n / rate * source + 1e-9) for n in range(200)]
        assert len(set(shown)) == 200

from fractions import Fraction

import numpy as np
import pytest
from encodes import clock, encode, grey, number_of, sample
from PIL import Image

from framefall.data.media.decode import DecodeError, Limits, decode, probe


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

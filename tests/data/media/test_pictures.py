import numpy as np
import pytest
from encodes import clock, number_of, textured
from PIL import Image

from framefall.data.media.decode import DecodeError, decode, probe


def pixels_of(path, **settings):
    return [frame.pixels for frame in decode(path, **settings)]


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
    assert pixels_of(tmp_path / "a.jpg")[0].shape == (64, 48, 3)
    info = probe(tmp_path / "a.jpg")
    assert (info.width, info.height, info.frames, info.rotation) == (48, 64, 1, 270)


def test_sixteen_bit_images_keep_their_brightness(tmp_path):
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "a.png")
    assert pixels_of(tmp_path / "a.png")[0][0, 0, 0] == 40000 >> 8


def test_a_folder_of_frames_is_a_video_in_counting_order(tmp_path):
    for index, image in enumerate(clock(12)):
        Image.fromarray(image).save(tmp_path / f"frame{index}.png")  # frame10 sorts before frame2 as text
    assert [number_of(p) for p in pixels_of(tmp_path)] == list(range(12))
    assert probe(tmp_path).fps == 24
    (tmp_path / "fps.txt").write_text("12.5\n")
    assert [frame.time for frame in decode(tmp_path)][-1] == pytest.approx(11 / 12.5)


def test_shrinking_averages_areas_and_nothing_is_enlarged(tmp_path):
    checks = np.zeros((64, 96, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    Image.fromarray(checks).save(tmp_path / "a.png")
    small = pixels_of(tmp_path / "a.png", short_side=16)[0]
    assert small.shape == (16, 24, 3) and np.abs(small.astype(int) - 128).max() <= 1
    assert pixels_of(tmp_path / "a.png", short_side=100)[0].shape == (64, 96, 3)
    assert set(np.unique(checks[::4, ::4])) == {255}  # taking every fourth pixel would be wrong by half the range


def test_a_frame_of_another_size_is_left_out_and_a_shot_ends_there(tmp_path):
    for index, width in enumerate((48, 48, 50, 48, 48)):
        Image.fromarray(clock(5, 32, width)[index]).save(tmp_path / f"{index}.png")
    (tmp_path / "5.png").write_bytes(b"no picture")
    info = probe(tmp_path)
    assert (info.width, info.height, info.frames, info.breaks) == (48, 32, 4, (2,))
    assert "2.png is 50x32, 5.png is damaged" in info.notes[0]
    assert [number_of(p) for p in pixels_of(tmp_path)] == [0, 1, 3, 4]
    (tmp_path / "fps.txt").write_text("none")
    with pytest.raises(DecodeError, match=r"fps\.txt must hold one number above 0"):
        probe(tmp_path)


@pytest.mark.parametrize(("suffix", "given"), [(".gif", 10), (".gif", 0), (".webp", 8), (".png", 10), (".avif", 5)])
def test_a_delay_that_no_browser_keeps_is_a_tenth_of_a_second(tmp_path, suffix, given):
    images = [Image.fromarray(image) for image in clock(6, step=30)]
    images[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=images[1:], duration=given)
    assert probe(tmp_path / f"a{suffix}").duration == pytest.approx(0.6)
    images[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=images[1:], duration=20)
    assert probe(tmp_path / f"a{suffix}").duration == pytest.approx(0.12)


def test_a_frame_that_is_cut_short_is_named(tmp_path):
    for index, image in enumerate(textured(4)):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DecodeError, match=r"its frame 2\.png cannot be read: its data is damaged"):
        pixels_of(tmp_path)

from pathlib import Path

import pytest
from encodes import textured
from PIL import Image

from framefall.data.media.decode import DecodeError, decode
from framefall.data.media.numbering import frames_of, in_folder, is_pattern, marks, natural


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def videos(folder):
    """What stands for each video in the folder, with how many frames it has."""
    return {one.pattern: len(one.files) for one in in_folder(folder).videos}


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["1.png", "2.png"], "%d.png"), (["9.png", "10.png", "11.png"], "%d.png"),
        (["0001.jpg", "0002.jpg", "0003.jpg"], "%04d.jpg"), (["take_7.PNG", "take_8.PNG"], "take_%d.PNG"),
        (["00000.jpg", "00005.jpg", "00010.jpg"], "%05d.jpg"), (["0001_rgb.png", "0002_rgb.png"], "%04d_rgb.png"),
        (["v2_take3_0001.png", "v2_take3_0002.png"], "v2_take3_%04d.png"),
        (["frame (1).png", "frame (2).png"], "frame (%d).png"), (["(1)_rgb.jpg", "(2)_rgb.jpg"], "(%d)_rgb.jpg"),
        (["1.png", "2.png", "Thumbs.db", "desktop.ini", "notes.txt", "._1.png", ".DS_Store", "x.json"], "%d.png"),
    ],
)  # fmt: skip
def test_pictures_that_differ_in_one_number_are_a_video(tmp_path, names, pattern):
    folder = touch(tmp_path / "take", *names)
    (found,) = in_folder(folder).videos
    assert found.pattern == pattern and not in_folder(folder).singles and not found.breaks
    assert [file.name for file in found.files] == [name for name in names if name.endswith(Path(pattern).suffix)][
        : len(found.files)
    ]
    assert frames_of(folder) == found


@pytest.mark.parametrize(
    "names",
    [
        ["1.png"], ["1.png", "5.png"], ["IMG_2041.jpg", "IMG_2043.jpg", "IMG_2050.jpg", "IMG_2061.jpg"],
        ["cat.png", "dog.png"], ["1.png", "2.png", "film.mp4"], ["1.png", "2.png", "cover.png"],
        ["1.png", "2.png", "1.txt", "2.caption"], ["1.png", "2.jpg", "3.png", "4.jpg"],
    ],
)  # fmt: skip
def test_other_pictures_are_single_ones(tmp_path, names):
    folder = touch(tmp_path / "take", *names)
    assert not videos(folder)
    assert len(in_folder(folder).singles) == sum(name.endswith((".png", ".jpg", ".mp4")) for name in names)


def test_pictures_that_a_table_lists_are_single_ones(tmp_path):
    names = [f"{number:04d}.png" for number in range(12)]
    folder = touch(tmp_path, *names)
    assert videos(folder) == {"%04d.png": 12}
    (folder / "metadata.jsonl").write_text("".join(f'{{"file_name": "{name}", "text": "a"}}\n' for name in names))
    assert not videos(folder)
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "take", "text": "a"}\n'
    )  # the control: a table of something else
    assert videos(folder) == {"%04d.png": 12}


def test_pictures_of_many_sizes_are_single_ones(tmp_path):
    for number in range(12):
        Image.new("RGB", (32 + number, 32)).save(tmp_path / f"{number}.png")
    assert not videos(tmp_path)
    for number in range(12):
        Image.new("RGB", (32 + number // 11, 32)).save(tmp_path / f"{number}.png")
    assert videos(tmp_path) == {"%d.png": 12}


def test_a_rate_says_that_all_pictures_are_frames(tmp_path):
    folder = touch(tmp_path, "cat.png", "dog.png", "fps.txt")
    assert [file.name for file in frames_of(folder).files] == ["cat.png", "dog.png"]
    assert len(in_folder(folder).videos) == 1


def test_two_sequences_and_other_files_are_told_apart(tmp_path):
    for prefix, level in (("a_", 10), ("b_", 200)):
        for number in range(1, 13):
            Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / f"{prefix}{number:04d}.png")
    touch(tmp_path, "sky.jpg", "film.mp4")
    assert videos(tmp_path) == {"a_%04d.png": 12, "b_%04d.png": 12}
    assert in_folder(tmp_path).singles == ("film.mp4", "sky.jpg")
    assert is_pattern(tmp_path / "b_%04d.png") and not is_pattern(tmp_path / "film.mp4")
    assert {int(frame.pixels.mean()) for frame in decode(tmp_path / "b_%04d.png")} == {200}
    with pytest.raises(DecodeError, match=r"it holds 2 videos as frames; give one of them.*a_%04d\.png"):
        frames_of(tmp_path)
    with pytest.raises(DecodeError, match="it is not there, and no numbered pictures"):
        frames_of(tmp_path / "c_%04d.png")


def test_a_gap_is_a_break_and_is_said(tmp_path):
    folder = touch(tmp_path, *(f"{number}.png" for number in (*range(1, 13), *range(31, 45))))
    (found,) = in_folder(folder).videos
    assert found.breaks == (12,) and "12 is followed by 31" in found.notes[0]


def test_of_a_frame_that_is_there_twice_one_is_taken(tmp_path):
    folder = touch(tmp_path, *(f"{number}.png" for number in range(1, 10)), "3.jpg", "04.png")
    (found,) = in_folder(folder).videos
    assert [file.name for file in found.files] == [f"{number}.png" for number in range(1, 10)]
    assert found.notes == ("2 of its frames are there twice: 3.jpg, 04.png left out",)
    folder = touch(tmp_path / "both", *(f"{number}{suffix}" for number in range(4) for suffix in (".jpg", ".png")))
    assert {file.suffix for file in frames_of(folder).files} == {".png"}


@pytest.mark.parametrize(
    ("name", "label"),
    [("frame_{:04d}_mask.png", "*_mask.png"), ("depth_{:04d}.png", "depth_*.png"), ("{:04d}_seg.png", "*_seg.png")],
)
def test_masks_beside_frames_are_left_out(tmp_path, name, label):
    folder = touch(tmp_path, *(f"frame_{number:04d}.png" for number in range(12)))
    touch(folder, *(name.format(number) for number in range(12)))
    found = in_folder(folder)
    assert videos(folder) == {"frame_%04d.png": 12} and not found.singles
    assert found.left_out == {label: "12 files that go by name with those beside"}
    for number in range(12):
        (folder / f"frame_{number:04d}.png").unlink()
    assert sum(videos(folder).values()) == 12  # the control: alone they are what there is


def test_a_picture_of_the_folder_is_no_frame_and_beside_a_video_no_still(tmp_path):
    frames = [f"{number:03d}.png" for number in range(9)]
    folder = touch(tmp_path / "take", *frames, "folder.jpg", "Thumbnail.png", "another.png")
    found = in_folder(folder)
    assert set(found.left_out) == {"folder.jpg", "Thumbnail.png"} and found.singles == ("another.png",)
    alone = in_folder(touch(tmp_path / "stills", "cover.jpg", "another.png"))  # where no video is, it is a picture
    assert set(alone.singles) == {"cover.jpg", "another.png"} and not alone.left_out


def test_what_is_computed_from_a_single_file_is_left_out(tmp_path):
    found = in_folder(touch(tmp_path, "cat.png", "cat_mask.png", "a.mp4", "a.depth.mp4", "my_mask.png", "b.mp4"))
    assert found.singles == ("a.mp4", "b.mp4", "cat.png", "my_mask.png")
    assert set(found.left_out) == {"*_mask.png", "*.depth.mp4"}


def test_a_folder_that_is_asked_for_is_a_video_whatever_is_in_it(tmp_path):
    for number, image in enumerate(textured(2)):
        Image.fromarray(image).save(tmp_path / f"{'ab'[number]}.png")
    assert len(list(decode(tmp_path))) == 2
    with pytest.raises(DecodeError, match="a folder without frames"):
        frames_of(touch(tmp_path / "empty", "notes.txt"))


def test_numbers_are_counted_and_not_spelled(tmp_path):
    assert sorted(["10.png", "9.png", "a2.png", "a10.png"], key=natural) == ["9.png", "10.png", "a2.png", "a10.png"]
    touch(tmp_path / "in", "0001.png")
    assert marks(touch(tmp_path, "0007.png", "cat.png"), deep=False) == {"7", "cat"}
    assert marks(tmp_path, deep=True) == {"7", "cat", "1"}


def test_a_link_to_nothing_is_a_single_file_to_be_named(tmp_path):
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert in_folder(tmp_path).singles == ("gone.mp4",)

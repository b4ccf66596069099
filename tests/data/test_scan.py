import os

import pytest
from encodes import clock
from PIL import Image

from framefall.data.scan import is_frames, scan


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_scan_finds_sources_and_nothing_else(tmp_path):
    for name in (
        "b.MP4",
        "a.webm",
        "deep/c.mov",
        "deep/still.png",
        "a.txt",
        "a.json",
        ".hidden.mp4",
        ".cache/x.mp4",
        "x.py",
    ):
        touch(tmp_path / name)
    for index in range(3):
        touch(tmp_path / "take" / f"{index:04d}.png")
    touch(tmp_path / "take" / "fps.txt")
    touch(tmp_path / "mixed" / "1.png")
    touch(tmp_path / "mixed" / "2.png")
    touch(tmp_path / "mixed" / "film.mp4")
    found = [path.relative_to(tmp_path).as_posix() for path in scan(tmp_path)]
    assert found == [
        "a.webm",
        "b.MP4",
        "deep/c.mov",
        "deep/still.png",
        "mixed/1.png",
        "mixed/2.png",
        "mixed/film.mp4",
        "take",
    ]


def test_links_in_a_circle_end_and_links_to_nothing_are_kept_for_the_report(tmp_path):
    touch(tmp_path / "inner" / "a.mp4")
    os.symlink(tmp_path, tmp_path / "inner" / "loop")
    os.symlink(tmp_path / "inner", tmp_path / "twin")
    os.symlink(tmp_path / "nowhere.mp4", tmp_path / "gone.mp4")
    found = [path.relative_to(tmp_path).as_posix() for path in scan(tmp_path)]
    assert found == ["gone.mp4", "inner/a.mp4"]


def test_a_folder_of_frames_itself_is_one_source(tmp_path):
    for index, image in enumerate(clock(3)):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    assert scan(tmp_path) == [tmp_path]
    with pytest.raises(ValueError, match="must be a folder"):
        scan(tmp_path / "0.png")


def test_numbered_images_and_nothing_else_are_one_video(tmp_path):
    for name in ("1.png", "2.png", "notes.txt", ".hidden.mov"):
        touch(tmp_path / "take" / name)
    touch(tmp_path / "lone" / "1.png")
    assert is_frames(tmp_path / "take") and not is_frames(tmp_path / "lone") and not is_frames(tmp_path / "nowhere")
    touch(tmp_path / "take" / "cover.png")
    assert not is_frames(tmp_path / "take")

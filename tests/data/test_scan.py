import os

import pytest
from encodes import clock, encode
from PIL import Image

from framefall.data.scan import is_frames, look, scan


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def frames(folder, count=12, pattern="{:04d}.png"):
    for index in range(count):
        touch(folder / pattern.format(index))
    return folder


def found(root):
    return [path.relative_to(root).as_posix() for path in scan(root)]


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
        "@eaDir/b.MP4/thumb.jpg",
        "__MACOSX/._a.webm",
        "deep/._c.mov",
        "deep/desktop.ini",
    ):
        touch(tmp_path / name)
    touch(frames(tmp_path / "take", 3) / "fps.txt")
    frames(tmp_path / "mixed", 2)
    touch(tmp_path / "mixed" / "film.mp4")
    frames(tmp_path / "many")
    touch(tmp_path / "many" / "film.mp4")
    for prefix in "ab":
        frames(tmp_path / "two", pattern=prefix + "_{:04d}.png")
    assert found(tmp_path) == [
        "a.webm",
        "b.MP4",
        "deep/c.mov",
        "deep/still.png",
        "many",
        "many/film.mp4",
        "mixed/0000.png",
        "mixed/0001.png",
        "mixed/film.mp4",
        "take",
        "two/a_%04d.png",
        "two/b_%04d.png",
    ]
    assert look(tmp_path).left_out == {}


def test_links_in_a_circle_end_and_links_to_nothing_are_kept_for_the_report(tmp_path):
    touch(tmp_path / "inner" / "a.mp4")
    os.symlink(tmp_path, tmp_path / "inner" / "loop")
    os.symlink(tmp_path / "inner", tmp_path / "twin")
    os.symlink(tmp_path / "nowhere.mp4", tmp_path / "gone.mp4")
    assert found(tmp_path) == ["gone.mp4", "inner/a.mp4"]


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


@pytest.mark.parametrize("name", ["masks", "Depth", "flow", "optical_flow", "segmentation", "gt", "thumbnails"])
def test_folders_of_what_is_computed_from_the_frames_beside_them_are_left_out(tmp_path, name):
    frames(tmp_path / "take")
    frames(tmp_path / "take" / name, pattern="{:04d}_x.png")
    assert found(tmp_path) == ["take"]
    assert "its 12 pictures are computed from those beside it" in look(tmp_path).left_out[f"take/{name}"]
    frames(tmp_path / "davis" / "JPEGImages" / "bear")
    frames(tmp_path / "davis" / name / "bear")
    assert found(tmp_path / "davis") == ["JPEGImages/bear"]
    frames(tmp_path / "alone" / name)
    assert found(tmp_path / "alone") == [name]  # the control: there is nothing that it could be computed from


def test_a_folder_of_something_that_is_called_flow_is_used(tmp_path):
    frames(tmp_path / "lava")
    frames(tmp_path / "flow")
    touch(tmp_path / "edges" / "0001.mp4")
    touch(tmp_path / "lava" / "masks" / "carnival 77.png")
    assert found(tmp_path) == ["edges/0001.mp4", "flow", "lava", "lava/masks/carnival 77.png"]


def test_a_file_that_begins_as_a_video_and_has_another_name_is_named(tmp_path):
    encode(tmp_path / "a.mp4", clock(3))
    os.rename(tmp_path / "a.mp4", tmp_path / "a.mp4.part")
    touch(tmp_path / "b", b"GIF89a" + bytes(50))
    touch(tmp_path / "c.dat", b"something else")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == []
    assert set(look(tmp_path).left_out) == {"a.mp4.part", "b"}
    assert "it begins as mov does" in look(tmp_path).left_out["a.mp4.part"]

"""Clips on disk, and sets of them on common ground."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framefall.data.media.decode import DecodeError
from framefall.data.media.writer import write
from framefall.runs.clips import ClipGrid, ClipSet, OnDisk, clip_set, common_ground, read, read_all
from framefall.video import to_pixels

Write = Callable[..., Path]


def bar(frames: int, height: int, width: int, fps: float) -> np.ndarray:
    """A light bar that moves one eighth of the width a second, whatever the size and the rate."""
    columns = (np.arange(width) + 0.5) / width
    places = 0.25 + np.arange(frames) / fps / 8
    row = np.clip(255 - 2000 * np.abs(columns - places[:, None]), 0, 255).astype(np.uint8)
    return np.broadcast_to(row[:, None, :, None], (frames, height, width, 3))


@pytest.fixture
def clip(tmp_path: Path) -> Write:
    def make(name: str, frames: int = 24, height: int = 32, width: int = 48, fps: float = 24.0) -> Path:
        path = tmp_path / name
        write(path, [np.ascontiguousarray(bar(frames, height, width, fps))], fps)
        return path

    return make


def no_skip(name: str, reason: str) -> None:
    raise AssertionError(f"{name} was skipped: {reason}")


def opened(path: Path) -> ClipSet:
    return clip_set(path, no_skip)


def test_a_clip_is_read_as_it_is(clip: Write) -> None:
    video, fps = read(clip("a.mkv"))
    assert fps == 24.0 and video.shape == (1, 3, 24, 32, 48)
    np.testing.assert_array_equal(to_pixels(video)[0].permute(1, 2, 3, 0).numpy(), bar(24, 32, 48, 24.0))


def test_what_cannot_be_read_is_skipped_with_its_reason(clip: Write, tmp_path: Path) -> None:
    clip("a.mkv")
    (tmp_path / "b.mp4").write_text("words")
    skipped: dict[str, str] = {}
    found = clip_set(tmp_path, skipped.__setitem__)
    assert list(found.files) == ["a.mkv"] and "does not begin like" in skipped["b.mp4"]
    (tmp_path / "a.mkv").unlink()
    with pytest.raises(ValueError, match="at least one readable video, got none"):
        clip_set(tmp_path, skipped.__setitem__)
    with pytest.raises(ValueError, match="a file or folder that exists"):
        clip_set(tmp_path / "nowhere", skipped.__setitem__)


def test_the_ground_is_the_smaller_the_slower_and_the_shorter(clip: Write) -> None:
    ours, real = clip("gens/a.mkv", 8, 32, 48, 8.0), clip("real/b.mkv", 48, 64, 64, 24.0)
    ground = common_ground(opened(ours.parent), opened(real.parent))
    assert ground == ClipGrid(8, 32, 48, 8.0)
    for path in (ours, real):
        video, fps = read(path, ground)
        assert video.shape == (1, 3, 8, 32, 48) and fps == 8.0


def test_frames_are_compared_by_time_and_not_by_number(clip: Write) -> None:
    fast, slow = clip("fast/a.mkv", 48, 32, 48, 24.0), clip("slow/a.mkv", 16, 32, 48, 8.0)
    ground = common_ground(opened(fast.parent), opened(slow.parent))
    assert ground is not None
    one, other = (read(path, ground)[0] for path in (fast, slow))
    assert (one - other).abs().mean() < 0.02
    # the control: the first frames of each, whenever they are
    by_number = read(fast)[0][:, :, :16]
    assert (by_number - other).abs().mean() > 5 * (one - other).abs().mean()


def test_sets_that_are_alike_or_whose_clips_have_their_like_stay_as_they_are(clip: Write) -> None:
    clip("gens/a.mkv"), clip("real/b.mkv")
    assert common_ground(opened(clip("x.mkv"))) is None
    gens = opened(clip("gens/a.mkv").parent)
    assert common_ground(gens, opened(clip("real/b.mkv").parent)) is None
    small = clip("gens/small.mkv", 12, 16, 16)
    clip("real/small.mkv", 12, 16, 16), clip("real/a.mkv")
    assert common_ground(opened(small.parent), opened(clip("real/b.mkv").parent)) is None
    clip("real/a.mkv", 23)
    assert common_ground(opened(small.parent), opened(clip("real/b.mkv").parent)) == ClipGrid(12, 16, 16, 24.0)


def test_clips_too_short_to_be_compared_are_refused_with_the_command_that_mends_it(clip: Write) -> None:
    ours, real = clip("gens/a.mkv"), clip("real/tiny.mkv", 2)
    with pytest.raises(ValueError, match=r"at least 3 frames.*got 2 in .*tiny\.mkv.*run: framefall evaluate .*gens"):
        common_ground(opened(ours.parent), opened(real.parent))


def test_a_clip_that_ends_before_its_header_says_is_not_compared(clip: Write) -> None:
    with pytest.raises(DecodeError, match="ends after 24 frames"):
        read(clip("a.mkv"), ClipGrid(30, 32, 48, 24.0))


def test_a_wide_clip_is_cut_to_its_middle(clip: Write) -> None:
    video, _ = read(clip("wide.mkv", 4, 16, 64), ClipGrid(4, 16, 16, 24.0))
    assert video.shape[-2:] == (16, 16)
    whole, _ = read(clip("wide.mkv", 4, 16, 64))
    assert (video - whole[..., 24:40]).abs().max() == 0


def test_two_files_of_one_name_are_refused(clip: Write, tmp_path: Path) -> None:
    clip("one/a.mkv"), clip("two/a.mkv")
    with pytest.raises(ValueError, match="name of its own"):
        opened(tmp_path)


def test_videos_on_disk_are_found_by_name_and_what_breaks_is_not_there(clip: Write) -> None:
    found = opened(clip("a.mkv").parent)
    videos = OnDisk(found, None)
    assert list(videos) == ["a.mkv"] and len(videos) == 1 and videos["a.mkv"].shape[2] == 24
    assert OnDisk(found, ClipGrid(99, 32, 48, 24.0)).get("a.mkv") is None and videos.get("b.mkv") is None
    assert [name for name, _, _ in read_all(found, None, no_skip)] == ["a.mkv"]

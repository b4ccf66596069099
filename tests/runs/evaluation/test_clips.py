"""Clips on disk, and sets of them on common ground."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from encodes import encode

from framefall.data.media.decode import DecodeError
from framefall.data.media.writer import write
from framefall.runs.evaluation.clips import (
    ClipGrid,
    ClipSet,
    OnDisk,
    clip_set,
    common_ground,
    read,
    read_all,
    without_common_moments,
)
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


def test_the_common_rate_is_a_whole_fraction_of_every_rate_where_one_is_near(clip: Write) -> None:
    sets = {fps: opened(clip(f"{fps}/a.mkv", 2 * fps, 32, 48, float(fps)).parent) for fps in (20, 24, 25, 30, 60)}

    def rate(*rates: int) -> tuple[float, list[float]]:
        chosen = [sets[one] for one in rates]
        ground = common_ground(*chosen)
        assert ground is not None
        return ground.fps, without_common_moments(ground, *chosen)

    assert rate(60, 30) == (30.0, []) and rate(20, 30) == (10.0, []) and rate(60, 20) == (20.0, [])
    assert rate(24, 30) == (24.0, [30.0]) and rate(24, 25) == (24.0, [25.0])
    assert without_common_moments(None, sets[24], sets[25]) == []


def test_more_clips_of_another_rate_in_one_set_are_no_pairs(clip: Write) -> None:
    ours, real = clip("gens/a.mkv"), clip("real/a.mkv")
    assert common_ground(opened(ours.parent), opened(real.parent)) is None
    clip("real/b.mkv", 24, 32, 48, 12.0)  # its features would be of another rate than all of the other set's
    assert common_ground(opened(ours.parent), opened(real.parent)) == ClipGrid(12, 32, 48, 12.0)


def test_a_clip_of_variable_rate_is_read_at_its_real_times(tmp_path: Path) -> None:
    times = [*range(0, 1000, 20), *range(1000, 3000, 50)]  # milliseconds: 50 frames a second, then 20
    still = [np.full((16, 16, 3), 20 + time // 15, np.uint8) for time in times]
    encode(tmp_path / "a.mkv", still, 50, stamps=times, base=Fraction(1, 1000))
    found = opened(tmp_path / "a.mkv")
    assert found.variable == ("a.mkv",) and found.grids["a.mkv"].same(ClipGrid(59, 16, 16, 20.0))
    video, fps = read(tmp_path / "a.mkv")
    levels = to_pixels(video)[0, 0, :, 8, 8].numpy().astype(int)
    assert fps == pytest.approx(20.0) and len(levels) == 59  # the encoder says that the last lasts 20 ms
    true = 20 + np.arange(59) * 50 // 15
    assert np.abs(levels - true).max() <= 4
    by_number = 20 + np.array(times)[:59] // 15  # the control: as if frames came evenly
    assert np.abs(by_number - true).max() > 50


def test_a_clip_whose_last_frame_never_ends_is_skipped_with_the_reason(tmp_path: Path, clip: Write) -> None:
    clip("a.mkv")
    encode(
        tmp_path / "z.mkv",
        [np.zeros((16, 16, 3), np.uint8)] * 5,
        10,
        stamps=[0, 1, 2, 3, 40_000_000],
        base=Fraction(1, 10),
    )
    skipped: dict[str, str] = {}
    assert list(clip_set(tmp_path, skipped.__setitem__).files) == ["a.mkv"]
    assert "longer than the limit of 3600 s" in skipped["z.mkv"]

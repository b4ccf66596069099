"""Marks: the frame that is bad is named, and a clip without one has none."""

from pathlib import Path

import numpy as np
import pytest

from framefall.data.media.writer import write
from framefall.evaluate.metrics import observed
from framefall.evaluate.metrics.coherence import flicker, flicker_by_frame
from framefall.runs.evaluation.marks import _runs, look


def clip(path: Path, *, bright: int | None = None, still: range = range(0), gone: range = range(0)) -> Path:
    """A box that moves to the right: too bright at a frame, standing still, or not there."""
    frames, place = np.full((24, 64, 96, 3), 60, np.uint8), 4
    for number in range(24):
        if number not in gone:
            frames[number, 24:40, place : place + 14] = (210, 60, 40)
        place += 3 * (number + 1 not in still)
    if bright is not None:
        frames[bright] = np.minimum(frames[bright].astype(int) + 60, 255)
    write(path, [frames], 12.0)
    return path


def marked(path: Path, metric: str) -> set[int]:
    found = look(path).marks
    return {frame for one in found if one.metric == metric for frame in range(one.first, one.last + 1)}


def test_a_frame_that_flashes_is_marked_and_the_calm_clip_is_not(tmp_path: Path) -> None:
    assert 9 in marked(clip(tmp_path / "flash.mp4", bright=9), "flicker")
    assert marked(clip(tmp_path / "calm.mp4"), "flicker") == set()


def test_frames_that_repeat_are_marked(tmp_path: Path) -> None:
    found = marked(clip(tmp_path / "still.mp4", still=range(8, 12)), "repeated_frames")
    assert {8, 9, 10, 11} <= found and 5 not in found


def test_what_vanishes_is_marked_where_it_does(tmp_path: Path) -> None:
    found = marked(clip(tmp_path / "gone.mp4", gone=range(10, 14)), "permanence")
    assert any(8 <= frame <= 15 for frame in found)
    assert marked(clip(tmp_path / "there.mp4"), "permanence") == set()


def test_the_flicker_of_frames_is_the_flicker_of_the_clip(tmp_path: Path) -> None:
    motion = look(clip(tmp_path / "a.mp4", bright=9)).clip.motion
    values = flicker_by_frame(motion)
    assert set(values) == set(range(1, 23))
    assert np.mean(list(values.values())) == pytest.approx(flicker(motion), rel=0.2)


def test_frames_in_a_row_are_one_mark() -> None:
    assert list(_runs([1, 2, 3, 7, 9, 10])) == [(1, 3), (7, 7), (9, 10)] and list(_runs([])) == []


def test_tracks_that_are_known_are_not_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clip(tmp_path / "gone.mp4", gone=range(10, 14))
    first = look(path)
    monkeypatch.setattr(observed, "track", None)
    assert look(path, first.clip.tracks).marks == first.marks
    with pytest.raises(TypeError):
        look(path)

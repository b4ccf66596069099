"""Distances between clips' things with known answers."""

import numpy as np
import pytest

from framefall.tracking.ospa import ospa
from framefall.tracking.trajectory import Tracks, Trajectory

FRAMES = 6


def clip(*starts: tuple[float, float], seen: range = range(FRAMES)) -> Tracks:
    """Things that go one pixel to the right a frame."""
    frames = np.arange(seen.start, seen.stop)
    objects = tuple(
        Trajectory(
            frames=frames,
            position=np.array(start) + frames[:, None] * np.array([1.0, 0.0]),
            area=np.full(len(frames), 10.0),
            colour=np.zeros((len(frames), 3)),
            shape=np.zeros((len(frames), 4)),
            whole=np.ones(len(frames), bool),
        )
        for start in starts
    )
    return Tracks(objects, (), FRAMES, 32, 32, 6.0, 0.0, 1.0)


def test_a_clip_is_nothing_away_from_itself_whatever_the_order_of_its_things() -> None:
    assert ospa(clip((1, 1), (9, 9)), clip((9, 9), (1, 1)), 8.0) == 0.0
    assert ospa(clip(), clip(), 8.0) == 0.0


@pytest.mark.parametrize(("off", "expected"), [(2.0, 0.25), (4.0, 0.5), (8.0, 1.0), (20.0, 1.0)])
def test_a_thing_that_is_off_counts_by_how_far_up_to_the_cutoff(off: float, expected: float) -> None:
    assert ospa(clip((1, 1)), clip((1, 1 + off)), 8.0) == pytest.approx(expected)
    assert ospa(clip((1, 1), (1, 40)), clip((1, 1 + off), (1, 40)), 8.0) == pytest.approx(expected / 2)


def test_a_thing_that_is_missing_or_too_many_counts_whole() -> None:
    for made, true in ((clip((1, 1)), clip((1, 1), (9, 9))), (clip((1, 1), (9, 9)), clip((1, 1)))):
        assert ospa(made, true, 8.0) == pytest.approx(0.5)
    assert ospa(clip(), clip((1, 1)), 8.0) == 1.0


def test_only_frames_from_the_start_on_count() -> None:
    late = clip((1, 1), seen=range(3, FRAMES))
    assert ospa(late, clip((1, 1)), 8.0) == pytest.approx(0.5)
    assert ospa(late, clip((1, 1)), 8.0, start=3) == 0.0


def test_clips_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both clips must have equally many frames, .* from 6 on"):
        ospa(clip((1, 1)), clip((1, 1)), 8.0, start=6)
    with pytest.raises(ValueError, match=r"cutoff must be above 0 pixels, got 0"):
        ospa(clip((1, 1)), clip((1, 1)), 0)

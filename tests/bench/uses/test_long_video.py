"""A minute of video on made-up clips whose answers are known; and a few seconds made in processes of their own."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framefall.bench.uses.long_video import (
    SCENARIOS,
    drift,
    judged,
    long_cases,
    made_apart,
    second,
    streaming,
)
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.evaluate.worldbench.benchmark import Case, Protocol, cases
from framefall.video import to_frames


@pytest.fixture(scope="module")
def swinging() -> Case:
    """A pendulum of 31 frames at 6 a second."""
    return next(cases(Protocol(scenarios=("pendulum",), frames=31, size=48), "horizon"))


def told(frames: np.ndarray, case: Case, joins: tuple[int, ...] = (8, 18)) -> dict:
    return judged(frames, case.protocol.fps, joins, case.known, 1)


def test_a_true_video_keeps_its_light_and_its_objects(swinging: Case) -> None:
    frames = to_frames(swinging.video)
    found = told(frames, swinging)
    assert found["objects_first"] == found["objects_last"] == found["objects_true"] == found["objects_kept"] == 1
    assert found["brightness_drift"] < 0.02 and 0.3 < found["join"] < 2
    assert found["fails"]["brightness"] is None and found["fails"]["objects"] is None
    assert len(found["series"]["brightness"]) == 5  # whole seconds


def test_a_video_that_fades_drifts_by_as_much_and_from_a_second_on(swinging: Case) -> None:
    frames = to_frames(swinging.video).astype(float)
    level = np.linspace(1.0, 0.5, len(frames))[:, None, None, None]
    dark = told((frames * level).astype(np.uint8), swinging)
    assert dark["brightness_drift"] == pytest.approx(0.4, abs=0.05) and dark["saturation_drift"] < 0.1
    assert dark["fails"]["brightness"] == 1
    grey = frames.mean(axis=3, keepdims=True)
    pale = told((grey + (frames - grey) * level).astype(np.uint8), swinging)
    assert pale["saturation_drift"] == pytest.approx(0.4, abs=0.1) and pale["brightness_drift"] < 0.02


def test_a_video_that_jumps_or_loses_its_body_is_found_out(swinging: Case) -> None:
    frames = to_frames(swinging.video)
    right = told(frames, swinging)
    jumping = frames.copy()
    jumping[18:] = 255 - jumping[18:]
    wrong = told(jumping, swinging)
    assert wrong["join"] > 10 * right["join"] and wrong["fails"]["join"] == 0
    empty = frames.copy()
    empty[18:] = to_frames(swinging.known.background)  # type: ignore[arg-type]
    gone = told(empty, swinging)
    assert gone["objects_last"] == gone["objects_kept"] == 0 and gone["fails"]["objects"] == 3


def test_a_second_counts_what_a_frame_shows(swinging: Case) -> None:
    frames = to_frames(swinging.video)
    one = second(frames[:6], 6.0, swinging.known)
    assert one.objects == 1 and 0 < one.brightness < 1 and 0 < one.saturation < 1
    assert second(np.repeat(frames[:1], 6, axis=0), 6.0, swinging.known).objects == 1  # one that stands still as well


def test_a_drift_is_relative_and_of_nothing_an_amount() -> None:
    assert drift(0.5, 0.4) == pytest.approx(-0.2) and drift(0.0, 0.3) == 0.3


@pytest.mark.slow
def test_a_video_is_made_in_a_process_that_says_what_memory_it_took(
    lively: Path, long_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = long_cases(load_cascade(lively), 1, 0, 1)
    assert case.scenario == SCENARIOS[0] and case.video.shape[2] == 6
    short, long = long_of.made
    assert (short[0].seconds, long[0].seconds) == (3.0, 5.0)
    for job, found, given, frames in (short, long):
        assert 100 < found["mib_before"] < found["mib"] < 4000
        assert frames.shape == (12 * job.seconds, 32, 32, 3) and np.array_equal(given, to_frames(case.video))
        assert np.array_equal(frames[:6], given)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"a video of 3 s failed"):
        made_apart(short[0])


@pytest.mark.slow
def test_memory_stays_what_it_was_and_every_figure_is_there(long_of: Any) -> None:
    found = long_of.found
    assert found["memory"].value < 1.1 and found["clips"] == 1 and found["seconds"] == 5
    assert found.keys() >= {
        "mib", "short_mib", "memory_above_start", "join", "brightness_drift", "saturation_drift", "objects_first",
        "objects_last", "objects_true", "objects_kept",
    }  # fmt: skip
    assert found["fails"].keys() == {"brightness", "saturation", "objects", "join"}
    assert len(found["series"][0]["brightness"]) == 5 and found["join"].n == 1


@pytest.mark.slow
def test_an_endless_video_is_timed_by_the_second(lively: Path) -> None:
    found = streaming(str(lively), rounds=2)
    assert found["ratio_real_time"] == found["wall_seconds_a_second"]["median"] > 0
    assert found["cpu_seconds_a_second"]["median"] > 0 and found["fps"] == 12

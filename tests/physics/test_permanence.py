"""What is due is seen, and goes where it was going."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.evidence import gather
from framefall.physics.permanence import DUE, continuity, coverage, permanence, presences
from framefall.physics.truth import Truth
from framefall.tracking.trajectory import TrackEvent, Tracks
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


def without(truth: Truth, frames: range) -> Tracks:
    """The ideal tracks of one object without its places in some frames."""
    one = truth.ideal.objects[0]
    kept = ~np.isin(one.frames, frames)
    names = ("frames", "position", "area", "colour", "shape", "whole")
    return replace(truth.ideal, objects=(replace(one, **{name: getattr(one, name)[kept] for name in names}),))


@pytest.mark.parametrize("missing", [1, 5, 20])
def test_permanence_lacks_the_share_of_due_frames_that_are_missing(clip: Clip, missing: int) -> None:
    _, truth = clip("uniform", 1)
    # what is seen counts as due, however little of it is left
    due = int(
        ((truth.bodies[0].visible >= DUE) | np.isin(np.arange(truth.frames), truth.ideal.objects[0].frames)).sum()
    )
    start = int(np.flatnonzero(truth.bodies[0].visible >= DUE)[6])
    evidence = gather(without(truth, range(start, start + missing)), truth)
    value, reason = permanence(evidence)
    assert value == pytest.approx(1 - missing / due)
    assert reason == f"{missing} object-frames missing"
    assert coverage(evidence) == presences(evidence)[0].share == pytest.approx(value)
    assert permanence(gather(truth.ideal, truth)) == (1.0, "")


def test_who_is_not_in_the_scene_is_too_much(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    more = replace(one, position=one.position + 500.0)
    value, reason = permanence(gather(replace(truth.ideal, objects=(one, more)), truth))
    assert value < 0.1 and reason.endswith("of things not in the scene")


def test_a_place_aside_for_one_frame_misses_by_three_times_as_much(clip: Clip) -> None:
    """The third difference of a lone displacement: 1, -3, 3, -1."""
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    middle = int(np.flatnonzero(one.whole)[one.whole.sum() // 2])
    shift = np.zeros_like(one.position)
    shift[middle] = 0.2 * one.size, 0.0
    shaken = gather(replace(truth.ideal, objects=(replace(one, position=one.position + shift),)), truth)
    assert continuity(shaken)[0] == pytest.approx(0.6, abs=0.02)
    assert continuity(gather(truth.ideal, truth))[0] < 0.01


def test_without_a_scene_what_the_tracker_cannot_explain_is_missing(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    one, frame = truth.ideal.objects[0], 30
    gone = without(truth, range(frame, 99))
    vanished = replace(gone, events=(TrackEvent("death", frame, 0, explained=False),))
    seen = len(gone.objects[0].frames)
    assert permanence(gather(vanished))[0] == pytest.approx(1 - (truth.frames - frame) / (seen + truth.frames - frame))
    explained = replace(gone, events=(TrackEvent("death", frame, 0, explained=True, by="border"),))
    assert permanence(gather(explained))[0] == 1.0
    assert len(one.frames) > seen

"""What comes back from behind something: where, when and as what it should."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.evidence import gather
from framefall.physics.laws import laws
from framefall.physics.occlusion import FAR, returns
from framefall.physics.truth import Truth
from framefall.tracking.trajectory import Trajectory
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


def test_partly_hidden_places_do_not_count_as_motion(clip: Clip) -> None:
    """A tracker sees the centre of what is left of a body: half a diameter off beside a screen."""
    _, truth = clip("occluder", 0)
    (one, *rest) = truth.ideal.objects
    assert not one.whole.all()
    shifted = one.position + np.where(one.whole, 0.0, 0.4 * one.size)[:, None] * (1.0, 0.0)
    scores = laws(replace(truth.ideal, objects=(replace(one, position=shifted), *rest)), truth)
    for name in ("ballistic", "sideways", "reappearance", "continuity"):
        assert scores[name].value < 0.01, (name, scores[name])


def returned(clip: Clip) -> tuple[Truth, Trajectory, int]:
    """A scene with one passage, its object, and where in it the second part begins."""
    for index in range(8):
        _, truth = clip("occluder", index)
        if len(truth.bodies) == 1:
            one = truth.ideal.objects[0]
            return truth, one, int(np.flatnonzero(np.diff(one.frames) > 1)[0]) + 1
    raise AssertionError("no scene with one body")


def test_a_passage_is_told_once_and_is_as_it_should_be(clip: Clip) -> None:
    truth, *_ = returned(clip)
    (found,) = returns(gather(truth.ideal, truth))
    assert found.back and found.away < 0.01 and abs(found.late) <= 1 and found.changed == 0


@pytest.mark.parametrize("diameters", [0.5, 2.0])
def test_who_comes_out_aside_is_so_many_diameters_off(clip: Clip, diameters: float) -> None:
    truth, one, gap = returned(clip)
    aside = np.where(np.arange(len(one.frames)) >= gap, diameters * 2 * truth.bodies[0].radius, 0.0)
    moved = replace(one, position=one.position + aside[:, None] * np.array([0.0, 1.0]))
    found = laws(replace(truth.ideal, objects=(moved,)), truth, names=("reappearance",))["reappearance"]
    assert found.value == pytest.approx(diameters, abs=0.02)


@pytest.mark.parametrize("frames", [3, 6])
def test_who_comes_out_later_is_so_many_frames_late(clip: Clip, frames: int) -> None:
    truth, one, gap = returned(clip)
    kept = np.arange(len(one.frames)) < gap
    whole = int(np.flatnonzero(one.whole & ~kept)[0])
    kept[whole + frames :] = True  # it is not seen in the frames between
    names = ("frames", "position", "area", "colour", "shape", "whole")
    late = replace(one, **{name: getattr(one, name)[kept] for name in names})
    (found,) = returns(gather(replace(truth.ideal, objects=(late,)), truth))
    assert found.late == pytest.approx(frames, abs=1) and found.away < 0.02


def test_who_never_comes_back_is_as_far_off_as_can_be_and_who_is_painted_has_changed(clip: Clip) -> None:
    truth, one, gap = returned(clip)
    names = ("frames", "position", "area", "colour", "shape", "whole")
    gone = replace(one, **{name: getattr(one, name)[:gap] for name in names})
    (found,) = returns(gather(replace(truth.ideal, objects=(gone,)), truth))
    assert not found.back and found.away == FAR
    painted = one.colour + np.where(np.arange(len(one.frames)) >= gap, 60.0, 0.0)[:, None] * np.array([0.0, 1.0, 0.0])
    (found,) = returns(gather(replace(truth.ideal, objects=(replace(one, colour=painted),)), truth))
    assert found.changed > 1 and found.away < 0.01

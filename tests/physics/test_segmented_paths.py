"""Paths cut into arcs, and the frames of them in which nothing touches."""

from collections.abc import Callable

import numpy as np
import pytest

from framefall.physics.paths import find_paths
from framefall.physics.segmented_paths import segment_paths
from framefall.physics.truth import Truth
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


def test_a_fall_is_an_arc_a_hop_and_every_arc_has_the_scenes_gravity(clip: Clip) -> None:
    log, truth = clip("fall", 1)
    (motion,) = segment_paths(find_paths(truth.ideal, truth), 24.0, truth)
    landings = [contact.time for contact in log.contacts if contact.time < 2.5]
    spans = motion.spans(4)
    arcs = [arc for arc in motion.arcs if len(arc.frames) > 5 and any(np.isin(arc.frames, s).all() for s in spans)]
    assert arcs
    for arc in arcs:
        assert arc.acceleration == pytest.approx([0.0, 64 * log.scene.gravity], rel=0.02, abs=1.0)
    assert len(spans) >= min(2, len(landings))
    for span in spans:  # no landing lies within one
        assert not any(span[0] / 24 < time < span[-1] / 24 for time in landings)


def test_frames_on_the_floor_are_not_free(clip: Clip) -> None:
    log, truth = clip("fall", 1)
    (motion,) = segment_paths(find_paths(truth.ideal, truth), 24.0, truth)
    floor = max(motion.path.position[:, 1])
    low = motion.path.position[:, 1] > floor - 0.3
    assert not (motion.free & low).any() and motion.free.sum() > 10
    assert log.scene.gravity > 0


def test_uniform_motion_is_one_arc_without_acceleration(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    (motion,) = segment_paths(find_paths(truth.ideal, truth), 24.0, truth)
    (arc,) = motion.arcs
    assert np.abs(arc.acceleration).max() < 0.05
    assert motion.changepoints == () and [len(span) for span in motion.spans(4)] == [int(motion.free.sum())]
    assert not motion.is_doubtful(motion.spans(4)[0])


def test_without_a_scene_the_usual_acceleration_is_the_clips_own(clip: Clip) -> None:
    log, truth = clip("projectile", 1)
    blind = segment_paths(find_paths(truth.ideal, None), 24.0, None)[0]
    longest = max(blind.arcs, key=lambda arc: len(arc.frames))
    assert longest.acceleration == pytest.approx([0.0, 64 * log.scene.gravity], rel=0.02, abs=1.0)

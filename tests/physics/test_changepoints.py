"""Where ways bend, and what explains it: bounces, blows and releases, or nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.physics.changepoints import Changepoint
from framefall.physics.evidence import gather
from framefall.physics.truth import Truth
from framefall.tracking.trajectory import Tracks
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


def points(tracks: Tracks, truth: Truth | None) -> list[Changepoint]:
    return [point for motion in gather(tracks, truth).motions for point in motion.changepoints]


def test_a_bounce_is_when_and_where_the_contact_is_and_its_normal_is_up(clip: Clip) -> None:
    log, truth = clip("fall", 1)
    first, *_ = [point for point in points(truth.ideal, truth) if point.kind == "bounce"]
    contact = next(contact for contact in log.contacts if contact.speed > 0)
    assert first.time == pytest.approx(contact.time, abs=0.1 / 24)
    assert first.explained and first.normal == pytest.approx([0.0, -1.0])
    assert first.before[1] == pytest.approx(64 * contact.speed, rel=0.02)
    assert first.after[1] == pytest.approx(-64 * contact.speed * log.scene.restitution, rel=0.03)


def test_a_blow_is_told_by_both_and_names_the_other(clip: Clip) -> None:
    log, truth = clip("collision", 0)
    blows = [point for point in points(truth.ideal, truth) if point.kind == "blow"]
    assert [(point.path, point.other) for point in blows] == [(0, 1), (1, 0)]
    assert blows[0].normal == pytest.approx(-np.asarray(blows[1].normal), abs=0.05)
    assert all(point.time == pytest.approx(log.contacts[0].time, abs=0.2 / 24) for point in blows)


def test_a_jump_and_a_kick_in_the_open_are_explained_by_nothing(clip: Clip) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    middle = int(one.frames[one.whole][one.whole.sum() // 2])
    later = one.frames >= middle
    jumped = replace(one, position=one.position + np.where(later, one.size, 0.0)[:, None])
    (jump,) = points(replace(truth.ideal, objects=(jumped,)), truth)
    assert jump.kind == "jump" and not jump.explained
    kick = np.where(later, one.frames - middle + 0.5, 0.0)[:, None] * np.array([0.0, 0.05 * one.size])
    (kicked,) = points(replace(truth.ideal, objects=(replace(one, position=one.position + kick),)), truth)
    assert kicked.kind == "kick" and not kicked.explained
    assert abs(kicked.frames[0] - (middle - 1)) <= 1 and kicked.frames[1] == kicked.frames[0] + 1
    assert points(truth.ideal, truth) == []  # the control


def test_without_a_scene_what_is_thrown_back_is_a_bounce(clip: Clip) -> None:
    _, truth = clip("fall", 1)
    assert "bounce" in {point.kind for point in points(truth.ideal, None)}

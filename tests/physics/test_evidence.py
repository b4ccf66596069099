"""Tracks made ready with what is known of their scene, or refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from framefall.physics.evidence import gather
from framefall.physics.laws import laws
from framefall.physics.truth import Truth
from framefall.worlds.state import StateLog

Clip = Callable[..., tuple[StateLog, Truth]]


def test_tracks_of_another_clip_are_refused(clip: Clip) -> None:
    _, truth = clip("fall", 0)
    with pytest.raises(ValueError, match="the same frames"):
        laws(replace(truth.ideal, frames=12), truth)
    with pytest.raises(ValueError, match="the same size"):
        laws(replace(truth.ideal, width=32), truth)


def test_the_first_paths_are_the_scenes_bodies_and_the_rest_matches_none(clip: Clip) -> None:
    _, truth = clip("collision", 0)
    far = replace(truth.ideal.objects[0], position=truth.ideal.objects[0].position + 500.0)
    evidence = gather(replace(truth.ideal, objects=(*truth.ideal.objects[::-1], far)), truth)
    assert [body.name for body, _ in evidence.bodies] == [body.name for body in truth.bodies]
    assert [motion.path.body for _, motion in evidence.bodies] == [body.name for body in truth.bodies]
    assert [motion.path.tracks for motion in evidence.unmatched] == [(2,)]
    alone = gather(truth.ideal)
    assert alone.bodies == [] == alone.unmatched and len(alone.paths) == 2


def test_what_a_caption_states_is_the_scenes_unless_it_is_given(clip: Clip) -> None:
    log, truth = clip("fall", 0)
    other = replace(log.scene.attributes, scenario="uniform")
    assert gather(truth.ideal, truth).attributes == log.scene.attributes
    assert gather(truth.ideal, truth, other).attributes == other
    assert gather(truth.ideal).attributes is None


def test_changepoints_are_asked_for_by_their_kind(clip: Clip) -> None:
    _, truth = clip("collision", 0)
    evidence = gather(truth.ideal, truth)
    assert {point.kind for point in evidence.changepoints("blow")} == {"blow"}
    assert evidence.changepoints("jump") == []

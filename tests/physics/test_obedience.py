"""What chooses among clips of a prompt: the caption first, then the laws, and nothing of what was never said."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from framefall.noise import Key
from framefall.physics.obedience import JUDGES, obedience
from framefall.physics.truth import project
from framefall.worlds.captions.phrases import said
from framefall.worlds.scene import Attributes, Thing
from framefall.worlds.violations.registry import break_physics

SCENES = ("fall", "projectile", "uniform", "collision", "occluder")


@pytest.mark.parametrize("scenario", SCENES)
def test_a_clip_of_the_renderer_shows_its_caption_and_keeps_all_laws(clip: Callable[..., tuple], scenario: str) -> None:
    log, truth = clip(scenario, 0)
    found = obedience(truth.ideal, log.scene.attributes)
    assert found.rank == (1.0, len(found.laws)) and found.measurable
    assert found.laws.keys() <= set(JUDGES) and len(found.laws) >= 3
    assert str(found).startswith(f"{len(found.attributes)} of {len(found.attributes)} attributes of its caption and ")


def test_another_colour_ranks_lower_and_is_named(clip: Callable[..., tuple]) -> None:
    log, truth = clip("fall", 0)
    right = log.scene.attributes
    (thing,) = right.things
    wrong = replace(right, things=(replace(thing, colour="pink" if thing.colour != "pink" else "green"),))
    found = obedience(truth.ideal, wrong)
    assert found.rank < obedience(truth.ideal, right).rank
    assert [name for name, shown in found.attributes.items() if not shown] == ["colour"]
    assert "(not colour)" in str(found)


BROKEN = ("blink", "gravity_flip", "pass_through", "float", "linear_fall")


@pytest.mark.parametrize("violation", BROKEN)
def test_of_two_with_the_same_things_the_one_that_keeps_the_laws_ranks_higher(
    clip: Callable[..., tuple], violation: str
) -> None:
    log, truth = clip("fall", 0)
    broken = project(break_physics(log, violation, Key(0, "obedience")), 61, 24.0, 64, 64)
    whole, torn = (obedience(one.ideal, log.scene.attributes) for one in (truth, broken))
    assert torn.rank[0] == whole.rank[0] == 1.0 and torn.rank < whole.rank


def test_what_cannot_be_followed_shows_nothing_and_keeps_nothing(clip: Callable[..., tuple]) -> None:
    log, truth = clip("fall", 0)
    for blind in (replace(truth.ideal, coverage=0.1), replace(truth.ideal, outlined=False)):
        found = obedience(blind, log.scene.attributes)
        assert not found.measurable and found.rank == (0.0, -len(found.laws)) and found.attributes and found.laws


def test_what_was_left_unsaid_is_not_asked_for(clip: Callable[..., tuple]) -> None:
    log, truth = clip("fall", 0)
    (thing,) = log.scene.attributes.things
    loose = said(f"the {thing.shape} falls")
    assert loose is not None
    assert obedience(truth.ideal, loose).attributes == {"count": True, "shape": True}
    two = said(f"two {thing.colour} {thing.shape}s fall")
    assert two is not None
    assert obedience(truth.ideal, two).attributes["count"] is False  # the control
    silent = obedience(truth.ideal, None)
    assert not silent.attributes and silent.laws and str(silent).endswith(" laws")


def test_the_laws_of_other_scenarios_are_not_due(clip: Callable[..., tuple]) -> None:
    _, truth = clip("uniform", 0)
    moves = Attributes(scenario="uniform", things=(Thing("", "ball", ""),))
    assert not {"gravity", "reappearance", "momentum"} & set(obedience(truth.ideal, moves).laws)
    assert np.isfinite(obedience(truth.ideal, moves).rank).all()

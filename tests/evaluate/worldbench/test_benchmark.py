"""The world benchmark on one scenario: the renderer is the ceiling, and what stands still the floor."""

import math
from dataclasses import replace

import pytest
import torch

from framefall.evaluate.worldbench.benchmark import (
    FLOORS,
    Case,
    Protocol,
    Verdict,
    anchors,
    cases,
    judge,
    references,
    summary,
)
from framefall.physics.laws import LAWS, LawScore
from framefall.tracking.trajectory import Tracks

PROTOCOL = Protocol(scenarios=("projectile",), clips=2, training=8)


@pytest.fixture(scope="module")
def given() -> list[Case]:
    return list(cases(PROTOCOL, "id"))


@pytest.fixture(scope="module")
def verdicts(given: list[Case]) -> dict[str, list[Verdict]]:
    predictors = references(PROTOCOL)
    return {name: [judge(case, predictors[name](case)) for case in given] for name in ("renderer", *FLOORS)}


def test_cases_are_the_same_every_time_and_fewer_in_the_other_splits(given: list[Case]) -> None:
    again = list(cases(PROTOCOL, "id"))
    assert [case.name for case in again] == ["projectile/id/0", "projectile/id/1"]
    assert all(torch.equal(one.video, other.video) for one, other in zip(given, again, strict=True))
    assert len(list(cases(PROTOCOL, "ood-far"))) == 1
    horizon = next(iter(cases(PROTOCOL, "horizon")))
    assert given[0].frames < horizon.frames <= 2 * PROTOCOL.frames - 1


def test_the_tracker_is_told_the_scene_without_its_bodies(given: list[Case]) -> None:
    case = given[0]
    assert case.known.objects == len(case.log.scene.bodies)
    assert (case.known.background - case.video[:, :, :1]).abs().max() > 0.3  # the body is not in it


def test_the_renderer_scores_above_what_stands_still(verdicts: dict[str, list[Verdict]]) -> None:
    levels = anchors(verdicts)
    assert ("projectile", "gravity") in levels
    ceiling, floor = (summary(verdicts[name], verdicts["renderer"], levels) for name in ("renderer", "copy_last"))
    assert ceiling.values["physics_score"].value > 50 > floor.values["physics_score"].value
    assert ceiling.values["stutter"].value < 1.2
    assert ceiling.values["flicker_over_real"].value == 1.0 and ceiling.values["permanence"].value == 1.0


def test_a_protocol_says_of_which_version_its_worlds_are(given: list[Case]) -> None:
    case = next(iter(cases(replace(PROTOCOL, version=2), "id")))
    assert case.log.scene.key == given[0].log.scene.key + "@2"
    assert case.log.scene.bodies[0].radius > given[0].log.scene.bodies[0].radius
    found = judge(case, case.video).laws["adherence"]
    assert case.truth.version == 2 and found.value == 1.0


def test_what_comes_back_in_another_place_or_as_another_thing_has_not_come_back(given: list[Case]) -> None:
    def verdict(place: float, change: float) -> Verdict:
        values = dict.fromkeys(LAWS, LawScore(math.nan, 1.0))
        values |= {"reappearance": LawScore(place, 1.0), "reappearance_identity": LawScore(change, 1.0)}
        return Verdict(given[0], values, [], Tracks((), (), 1, 1, 1, 1.0, 0.0, 0.0), 1.0, 1.0)

    clips = [verdict(0.2, 0.0), verdict(0.2, 1.0), verdict(0.9, 0.0), verdict(math.nan, math.nan)]
    found = summary(clips, clips, {}).values["reappearance"]
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)


def test_a_clip_of_another_size_is_refused(given: list[Case]) -> None:
    with pytest.raises(ValueError, match="must have frames, height and width"):
        judge(given[0], given[0].video[:, :, 1:])

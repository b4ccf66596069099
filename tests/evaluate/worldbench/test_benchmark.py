"""The world benchmark on one scenario: the renderer is the ceiling, and what stands still the floor."""

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


def test_a_clip_of_another_size_is_refused(given: list[Case]) -> None:
    with pytest.raises(ValueError, match="must have frames, height and width"):
        judge(given[0], given[0].video[:, :, 1:])

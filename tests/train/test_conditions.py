"""What a base that is told structure and content is told of training clips."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import BLURS, blurred, structure_map
from framefall.cascade.stage import Stage
from framefall.cascade.tasks import Base
from framefall.models.content import CONTENT_DIM, content_of
from framefall.noise import Key
from framefall.recipes.registry import RECIPES
from framefall.train.conditions import EXACTLY, ConditionShares, contents, structures
from framefall.train.loop import initial

MANY = 400


@pytest.fixture(scope="module")
def told() -> Stage:
    part = RECIPES["micro"]().stages["base"]
    network = replace(part.stage.backbone, structure_channels=2, content_dim=CONTENT_DIM)
    stage = replace(part.stage, task=Base(structure="edges"), backbone=network)
    return initial("base", replace(part, stage=stage), 0, torch.device("cpu"))


@pytest.fixture(scope="module")
def video() -> Tensor:
    """Two clips of a bright square, each elsewhere."""
    made = torch.full((2, 3, 4, 32, 32), -0.8)
    made[0, :, :, 5:15, 5:15] = made[1, :, :, 15:28, 10:20] = 0.7
    return made


def keys(count: int = 2) -> list[Key]:
    return [Key(0, "train", str(number)) for number in range(count)]


def test_a_clip_is_told_its_own_structure_and_content_exactly_where_nothing_is_dropped(
    told: Stage, video: Tensor
) -> None:
    found = structures(told, video, keys(), EXACTLY)
    assert found is not None and torch.equal(found[:, :1], structure_map(video, "edges"))
    assert bool((found[:, 1] == 1).all()) and not torch.equal(found[0], found[1])
    content = contents(told, video, keys(), EXACTLY)
    assert content is not None and torch.equal(content, content_of(video[:, :, :1]))  # all frames are alike


def test_what_is_drawn_depends_on_a_clips_key_alone(told: Stage, video: Tensor) -> None:
    shares = ConditionShares()
    both = structures(told, video, keys(), shares), contents(told, video, keys(), shares)
    for index in range(2):
        alone = video[index : index + 1], keys()[index : index + 1]
        for whole, part in zip(both, (structures(told, *alone, shares), contents(told, *alone, shares)), strict=True):
            assert whole is not None and part is not None and torch.equal(part[0], whole[index])


def test_clips_are_told_as_often_and_as_exactly_as_the_shares_say(told: Stage) -> None:
    small = torch.zeros(MANY, 3, 1, 8, 8)
    small[:, :, :, 2:6, 2:6] = 0.9
    shares = ConditionShares(structure_dropout=0.25, blur=0.6, content_dropout=0.4)
    found = structures(told, small, keys(MANY), shares)
    assert found is not None
    levels = found[:, 1, 0, 0, 0]
    assert float((levels == 0).float().mean()) == pytest.approx(0.25, abs=0.07)
    assert not found[levels == 0].any()  # nothing of it is left
    assert float((levels[levels > 0] < 1).float().mean()) == pytest.approx(0.6, abs=0.08)
    assert len(levels.unique()) == BLURS + 2


def test_more_blur_says_less_of_where_things_are_and_no_blur_all(video: Tensor) -> None:
    exact = structure_map(video, "edges")
    assert blurred(exact, 0) is exact
    detail = [float(blurred(exact, level).diff(dim=-1).abs().mean()) for level in range(BLURS + 1)]
    assert detail == sorted(detail, reverse=True) and detail[-1] < 0.1 * detail[0]
    for level in range(1, BLURS + 1):  # the middle of what is told stays
        assert float((blurred(exact, level).mean() - exact.mean()).abs()) < 0.1


def test_a_stage_that_is_told_neither_draws_neither(video: Tensor) -> None:
    part = RECIPES["micro"]().stages["base"]
    plain = initial("base", part, 0, torch.device("cpu"))
    assert structures(plain, video, keys(), EXACTLY) is None and contents(plain, video, keys(), EXACTLY) is None

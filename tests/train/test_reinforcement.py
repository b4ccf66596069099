"""A toy base that is rewarded for bright clips makes bright ones; a run that goes on makes the same bits."""

import itertools
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from framefall.cascade.known import Known
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.cascade.tasks import Base
from framefall.data.clip import Clip
from framefall.noise import Key
from framefall.recipes.registry import RECIPES
from framefall.train.loop import Budget, initial
from framefall.train.recipe import Optim
from framefall.train.reinforcement import (
    Batches,
    Likeness,
    Reinforcement,
    Round,
    _Judged,
    drafts,
    reinforce_stage,
)
from framefall.video import Video

SETTINGS = Reinforcement(
    sampling=Sampling(steps=2, sampler="euler"),
    prompts=2,
    drafts=8,
    passes=2,
    batch=16,
    optim=Optim(muon_lr=0.02, adam_lr=5e-3, warmup_steps=1, cooldown=0.0),
    save_every=2,
)
PROMPTS = ("a ball", "a box")


def base(distilled: bool = False, told: bool = False) -> Stage:
    """A toy whose clips are not all the same grey; as its flow map, which is told steps and guidance; told frames."""
    part = RECIPES["micro"]().stages["base"]
    if told:
        network = replace(part.stage.backbone, low_res_channels=4)
        part = replace(part, stage=replace(part.stage, task=Base(known="any"), backbone=network))
    shape = replace(part.stage.shape, frames=2, height=8, width=8)
    network = replace(part.stage.backbone, dim=32, depth=1, patch=(1, 4, 4))
    if distilled:
        network = replace(network, flow_map=True, baked_guidance=(1.0, 4.0))
    stage = initial(
        "base", replace(part, stage=replace(part.stage, shape=shape, backbone=network)), 0, torch.device("cpu")
    )
    with torch.no_grad():
        for weight in stage.backbone.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return stage


def bright(video: Video, prompt: str) -> float:
    """A reward."""
    return float(video.mean())


def blind(video: Video, prompt: str) -> float:
    """A reward that is the same for all."""
    return 0.0


def alike(made: Video, truth: Video) -> list[float]:
    """A likeness."""
    return [0.0] * len(made)


def clips(start: int) -> Generator[list[Clip], None, None]:
    """Endless batches of black clips."""
    for step in itertools.count(start):
        pixels = np.zeros((3, 2, 8, 8), np.uint8)
        yield [Clip(pixels, prompt, None, 6.0, str(step)) for prompt in PROMPTS]


def run(  # type: ignore[no-untyped-def]
    stage: Stage, folder: Path, rounds: int, reward=bright, truths=None
) -> list[Round]:
    """Some rounds."""
    budget = Budget(steps=rounds)
    events = reinforce_stage(stage, SETTINGS, clips, reward, budget, folder, 0, {"toy": 1}, truths)
    return [event for event in events if isinstance(event, Round)]


def made(stage: Stage) -> float:
    """How bright its clips are, of noise that no round has seen."""
    return float(drafts(stage, PROMPTS * 8, SETTINGS.sampling, Key(7, "after")).mean())


@pytest.mark.parametrize("distilled", [False, True])
def test_what_is_rewarded_becomes_more_and_what_is_not_does_not(distilled: bool, tmp_path: Path) -> None:
    stage = base(distilled)
    before = made(stage)
    rounds = run(stage, tmp_path / "bright", 8)
    assert [one.step for one in rounds] == list(range(1, 9))
    gained = made(stage) - before
    assert gained > 0.03
    # the control: rewards that have nothing to do with the clip
    blind, chance = base(distilled), Key(3, "chance")
    drawn = iter(range(10**6))
    run(blind, tmp_path / "blind", 8, reward=lambda video, prompt: chance.uniform(next(drawn)))
    assert abs(made(blind) - before) < gained / 2


@pytest.mark.slow  # `runs/training/test_reinforce.py` goes on with one
def test_a_run_that_goes_on_makes_the_bits_of_one_that_was_never_stopped(tmp_path: Path) -> None:
    whole, parts, other = base(), base(), base()
    run(whole, tmp_path / "whole", 4)
    run(parts, tmp_path / "parts", 2)
    parts = base()
    assert [one.step for one in run(parts, tmp_path / "parts", 4)] == [3, 4]
    for name, tensor in whole.backbone.state_dict().items():
        assert torch.equal(tensor, parts.backbone.state_dict()[name])
    run(other, tmp_path / "other", 2)  # the control: it is not done after half
    assert not all(
        torch.equal(one, other.backbone.state_dict()[name]) for name, one in whole.backbone.state_dict().items()
    )


@pytest.mark.parametrize("distilled", [False, True])
def test_clips_of_data_are_learnt_beside_the_drafts(distilled: bool, tmp_path: Path) -> None:
    """Of black clips a base becomes darker than one that learns of the same drafts alone."""
    alone, among = base(distilled), base(distilled)
    run(alone, tmp_path / "alone", 4)
    run(among, tmp_path / "among", 4, truths=clips)
    assert made(among) < made(alone) - 0.05


@pytest.mark.parametrize("distilled", [False, True])
def test_drafts_that_go_on_are_held_against_their_clip(distilled: bool, tmp_path: Path) -> None:
    """What comes after a black frame becomes brighter where a bright one is more like the clip, and not by chance."""
    settings = replace(SETTINGS, going_on=1.0, given=1)

    def after(likeness: Likeness, folder: str, truths: Batches | None = None) -> float:
        stage, budget = base(distilled, told=True), Budget(steps=8)
        list(reinforce_stage(stage, settings, clips, blind, budget, tmp_path / folder, 0, {}, truths, None, likeness))
        return going_on(stage)

    def going_on(stage: Stage) -> float:
        black = Known(video=-torch.ones(16, 3, 2, 8, 8), mask=torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1), fps=6.0)
        found = drafts(stage, PROMPTS * 8, SETTINGS.sampling, Key(7, "after"), black)
        assert bool((found[:, :, 0] == -1.0).all())  # what is given is kept
        return float(found[:, :, 1].mean())

    def brighter(made: Video, truth: Video) -> list[float]:
        assert len(made) == SETTINGS.drafts and bool((truth == -1.0).all())
        return made[:, :, 1].mean(dim=(1, 2, 3)).tolist()

    chance, drawn = Key(3, "chance"), iter(range(10**6))
    before, bright = going_on(base(distilled, told=True)), after(brighter, "bright")
    assert bright > before + 0.02
    blindly = after(lambda made, truth: [chance.uniform(next(drawn)) for _ in made], "blind")
    assert abs(blindly - before) < (bright - before) / 2
    # clips of data go on as well: of black ones it becomes darker
    assert after(brighter, "beside", clips) < bright - 0.02


def test_drafts_that_go_on_are_told_so_however_few_clips_of_data_are_beside_them() -> None:
    """Half of one clip is none: nothing of it is given, and what is given of the drafts stays so."""
    (batch,), settings = [next(clips(0))], replace(SETTINGS, going_on=0.5, given=1)
    given = torch.tensor([[1.0, 0.0]] * 3).view(3, 1, 2, 1, 1)
    judged = _Judged(torch.zeros(3, 3, 2, 8, 8), ["a ball"] * 3, torch.ones(3), given)
    for count, expected in ((1, [0.0]), (2, [1.0, 0.0])):
        among = judged.beside(batch[:count], base(told=True), settings)
        assert among.given is not None and among.truths == count
        assert among.given[:, 0, 0, 0, 0].tolist() == [1.0] * 3 + expected


def test_a_base_that_is_told_no_frames_cannot_go_on(tmp_path: Path) -> None:
    settings = replace(SETTINGS, going_on=0.5)
    with pytest.raises(ValueError, match=r"going_on must be 0 for a base that is not told frames.* got 0\.5"):
        next(reinforce_stage(base(), settings, clips, bright, Budget(steps=1), tmp_path, 0, {}, likeness=alike))
    told = replace(settings, given=2)
    with pytest.raises(ValueError, match=r"given must be below 2 frames, got 2"):
        next(reinforce_stage(base(told=True), told, clips, bright, Budget(steps=1), tmp_path, 0, {}, likeness=alike))


def test_drafts_that_are_worth_the_same_teach_nothing(tmp_path: Path) -> None:
    stage = base()
    before = {name: tensor.clone() for name, tensor in stage.backbone.state_dict().items()}
    run(stage, tmp_path, 2, reward=lambda video, prompt: 0.7)
    assert all(torch.equal(before[name], tensor) for name, tensor in stage.backbone.state_dict().items())


def test_a_clip_without_a_caption_cannot_be_asked_for(tmp_path: Path) -> None:
    def silent(start: int) -> Generator[list[Clip], None, None]:
        for batch in clips(start):
            yield [replace(batch[0], caption=None), batch[1]]

    events = reinforce_stage(base(), SETTINGS, silent, bright, Budget(steps=1), tmp_path, 0, {})
    with pytest.raises(ValueError, match=r"clips must have captions, which are asked for; 1 of 2 have none"):
        next(events)


def test_a_run_that_is_stopped_loses_no_round(tmp_path: Path) -> None:
    events = reinforce_stage(base(), SETTINGS, clips, bright, Budget(steps=4), tmp_path, 0, {"toy": 1})
    next(events)
    assert isinstance(events, Generator)
    events.close()  # after the first round, one before a checkpoint is due
    assert [one.step for one in run(base(), tmp_path, 3)] == [2, 3]


def test_a_reward_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a reward must be a finite number, got nan for a clip of 'a ball'"):
        run(base(), tmp_path, 1, reward=lambda video, prompt: float("nan"))

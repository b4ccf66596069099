from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from framefall.cascade.stage import Stage
from framefall.data import loader
from framefall.data.clip import Clip
from framefall.data.folder import Folder
from framefall.noise import Key
from framefall.recipes.registry import RECIPES
from framefall.train.loop import initial
from framefall.train.objective import describe, loss, stack, window
from framefall.train.recipe import Recipe

CPU = torch.device("cpu")
STAGES = list(RECIPES["micro"]().stages)


def shaken(name: str, recipe: Recipe) -> Stage:
    """A stage whose output depends on everything: fresh weights end in zeros, which hide mistakes."""
    stage, generator = initial(name, recipe.stages[name], 0, CPU), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stage.backbone.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return stage


def batch(recipe: Recipe, name: str, folder: Folder) -> list[Clip]:
    return next(loader.batches(folder, window(recipe.stages[name]), batch=4, seed=0))


@pytest.mark.parametrize("name", STAGES)
def test_the_loss_is_a_pure_function_of_weights_clip_seed_and_step(name: str, recipe: Recipe, folder: Folder) -> None:
    stage, part, clips = shaken(name, recipe), recipe.stages[name], batch(recipe, name, folder)
    torch.manual_seed(1)
    first = loss(stage, part, clips, 0, 7)
    torch.manual_seed(2)
    assert torch.equal(loss(stage, part, clips, 0, 7), first)
    assert first.isfinite().all() and len(set(first.tolist())) == 4
    renamed = [Clip(clip.pixels, clip.caption, clip.numbers, clip.fps, clip.key + "'") for clip in clips]
    others = loss(stage, part, clips, 0, 8), loss(stage, part, clips, 1, 7), loss(stage, part, renamed, 0, 7)
    for other in others:  # the controls; one clip may draw pure noise twice, of which a bridge sees nothing
        assert not torch.isclose(other, first, rtol=1e-3).all()


@pytest.mark.parametrize("name", STAGES)
def test_a_clips_loss_does_not_depend_on_its_neighbours(name: str, recipe: Recipe, folder: Folder) -> None:
    stage, part, clips = shaken(name, recipe), recipe.stages[name], batch(recipe, name, folder)
    together = loss(stage, part, clips, 0, 3)
    alone = torch.cat([loss(stage, part, [clip], 0, 3) for clip in clips])
    backwards = loss(stage, part, clips[::-1], 0, 3).flip(0)
    assert torch.allclose(alone, together, rtol=1e-5)  # kernels sum in another order at another batch size
    assert torch.allclose(backwards, together, rtol=1e-5)
    assert not torch.allclose(alone[1:], together[:-1], rtol=1e-2)  # the control: a clip's loss is its own


@pytest.mark.parametrize("name", STAGES)
def test_a_gradient_reaches_every_weight(name: str, recipe: Recipe, folder: Folder) -> None:
    stage, part = shaken(name, recipe), recipe.stages[name]
    window_ = window(part)
    for clips in islice(loader.batches(folder, window_, batch=4, seed=0), 3):
        loss(stage, part, clips, 0, 0).sum().backward()
    silent = [
        key
        for key, parameter in stage.backbone.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


@pytest.mark.parametrize(("rate", "tolerance"), [(0.0, 0.0), (0.1, 0.03), (0.5, 0.05), (1.0, 0.0)])
def test_captions_are_dropped_at_the_stated_rate(rate: float, tolerance: float, recipe: Recipe) -> None:
    part = replace(recipe.stages["base"], text_dropout=rate)
    clips = [Clip(np.zeros((3, 1, 2, 2), np.uint8), "a ball falls", None, 6.0, str(index)) for index in range(1000)]
    keys = [Key(0, "train/base/0", clip.key) for clip in clips]
    condition = describe(part.stage, part, clips, keys, 1, CPU)
    assert condition.text_mask is not None
    dropped = 1.0 - condition.text_mask.any(dim=1).double().mean().item()
    assert abs(dropped - rate) <= tolerance  # three standard deviations of 1000 draws
    again = describe(part.stage, part, clips, keys, 1, CPU)
    assert torch.equal(again.text_mask, condition.text_mask)


def test_seconds_follow_each_clips_own_rate(recipe: Recipe) -> None:
    part = recipe.stages["base"]
    clips = [Clip(np.zeros((3, 3, 2, 2), np.uint8), None, None, fps, str(fps)) for fps in (6.0, 12.0)]
    keys = [Key(0, "train", clip.key) for clip in clips]
    seconds = describe(part.stage, part, clips, keys, 3, CPU).seconds
    assert torch.allclose(seconds, torch.tensor([[0, 1 / 6, 2 / 6], [0, 1 / 12, 2 / 12]]))


def test_numbers_are_one_row_a_frame_and_another_count_is_refused(recipe: Recipe) -> None:
    part = recipe.stages["base"]
    config = replace(part.stage, backbone=replace(part.stage.backbone, numbers=2))
    pixels = np.zeros((3, 4, 2, 2), np.uint8)
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    clips = [Clip(pixels, None, numbers, 6.0, "c") for numbers in (table, table[1], None)]
    keys = [Key(0, "train", clip.key) for clip in clips]
    numbers = describe(config, part, clips, keys, 4, CPU).numbers
    assert numbers is not None
    assert torch.equal(numbers[0], torch.from_numpy(table))
    assert torch.equal(numbers[1], torch.from_numpy(table[1]).expand(4, 2)) and not numbers[2].any()
    wrong = Clip(pixels, None, np.zeros(3, np.float32), 6.0, "ball#0+3")
    with pytest.raises(ValueError, match=r"ball#0\+3 has 3 numbers, the model takes 2"):
        describe(config, part, [wrong], keys[:1], 4, CPU)


def test_a_batch_of_bytes_is_a_video_from_minus_one_to_one(recipe: Recipe, folder: Folder) -> None:
    video = stack(batch(recipe, "base", folder), CPU)
    assert video.shape == (4, 3, 8, 16, 16) and -1 <= float(video.min()) < -0.5 and 0.5 < float(video.max()) <= 1

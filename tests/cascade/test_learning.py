"""It learns: every stage of the toy cascade overfits one batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from framefall.cascade.stage import Stage
from framefall.data.clip import Clip
from framefall.recipes.registry import RECIPES
from framefall.train.objective import loss, window
from framefall.train.optim import optimizers
from framefall.train.recipe import StageRecipe

# steps, and the factor by which the error must fall; it fell by 7.8, 1.6 and 1.5 when this was written. A base
# stage starts from nothing, the others from a prior that is good already.
FALLS = {"base": (40, 4.0), "temporal_sr": (20, 1.3), "spatial_sr": (60, 1.3)}


def clips(recipe: StageRecipe) -> list[Clip]:
    """Four discs that cross the picture, each on its own way and of its own colour."""
    cut = window(recipe)
    down, right = np.mgrid[: cut.height, : cut.width]
    made = []
    for index, color in enumerate(((255, 60, 0), (0, 200, 90), (30, 80, 255), (240, 230, 20))):
        frames = []
        for frame in range(cut.frames):
            way = frame / max(1, cut.frames - 1) * 0.6 + 0.2
            x, y = (way, 1 - way, 0.5, way)[index] * cut.width, (way, way, way, 0.4)[index] * cut.height
            inside = (right - x) ** 2 + (down - y) ** 2 < (cut.height / 6) ** 2
            frames.append(np.where(inside[..., None], color, (20, 20, 40)).astype(np.uint8))
        pixels = np.ascontiguousarray(np.stack(frames).transpose(3, 0, 1, 2))
        made.append(Clip(pixels=pixels, caption=f"disc {index}", numbers=None, fps=cut.fps, key=f"disc/{index}"))
    return made


def error(stage: Stage, recipe: StageRecipe, batch: list[Clip]) -> float:
    """Squared error at times and noise that training never meets, whatever the recipe makes of it."""
    stage = replace(stage, config=replace(stage.config, relative_loss=False))
    with torch.no_grad():
        return float(np.mean([loss(stage, recipe, batch, 1, step).mean() for step in range(6)]))


@pytest.mark.parametrize(("name", "steps", "factor"), [(name, *fall) for name, fall in FALLS.items()])
def test_a_stage_overfits_one_batch(configs, fresh, name, steps, factor):
    recipe, stage = RECIPES["micro"]().stages[name], fresh(name, configs[name])
    batch = clips(recipe)
    before = error(stage, recipe, batch)
    stage.backbone.train()
    chosen = optimizers(stage.backbone, recipe.optim)
    for step in range(steps):
        loss(stage, recipe, batch, 0, step).mean().backward()
        torch.nn.utils.clip_grad_norm_(stage.backbone.parameters(), 1.0)
        for one in chosen:
            one.step()
            one.zero_grad()
    after = error(stage, recipe, batch)
    assert after < before / factor
    assert error(fresh(name, configs[name]), recipe, batch) == pytest.approx(before)  # and without steps it does not


def test_a_loss_depends_on_weights_clip_seed_and_step_and_nothing_else(configs, learned):
    recipe, stage = RECIPES["micro"]().stages["base"], learned("base", configs["base"])
    batch = clips(recipe)
    torch.manual_seed(1)
    first = loss(stage, recipe, batch, 0, 7)
    torch.manual_seed(2)
    assert torch.equal(loss(stage, recipe, batch, 0, 7), first)
    assert not torch.equal(loss(stage, recipe, batch, 0, 8), first)
    assert not torch.equal(loss(stage, recipe, batch, 1, 7), first)
    # alone, a clip has the loss that it has among others, up to sums in another order
    torch.testing.assert_close(loss(stage, recipe, batch[2:3], 0, 7), first[2:3], rtol=1e-3, atol=1e-4)

from dataclasses import replace

import pytest

from framefall.config import from_json, override, to_json
from framefall.recipes.registry import RECIPES
from framefall.train.objective import window
from framefall.train.recipe import Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_knows_its_name_and_survives_json(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.name == name and list(recipe.stages) == ["base", "temporal_sr", "spatial_sr"]
    assert from_json(Recipe, to_json(recipe)) == recipe
    assert sum(part.share for part in recipe.stages.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_compiled_unless_it_is_asked_for(name: str) -> None:
    assert RECIPES[name]().compile is False
    assert override(RECIPES[name](), ["compile=true"]).compile is True


@pytest.mark.parametrize("name", RECIPES)
def test_each_stage_trains_on_what_it_makes(name: str) -> None:
    for stage, part in RECIPES[name]().stages.items():
        cut, config = window(part), part.stage
        assert (cut.height, cut.width, cut.fps) == (config.shape.height, config.shape.width, config.shape.fps)
        if stage == "temporal_sr":  # whole intervals, and the frame before them
            assert cut.frames == 1 + config.intervals * config.factor and cut.image_share == 0
        else:
            assert cut.frames == config.shape.frames and cut.image_share == part.image_share
        assert cut.view == ("crop" if stage == "spatial_sr" else "whole")


@pytest.mark.parametrize(("batch", "accumulate"), [(4, 3), (0, 1), (4, 0)])
def test_a_batch_that_cannot_be_cut_into_parts_is_refused(batch: int, accumulate: int) -> None:
    part = RECIPES["micro"]().stages["base"]
    with pytest.raises(ValueError, match=r"batch must be a multiple of accumulate, got batch="):
        replace(part, batch=batch, accumulate=accumulate)

from dataclasses import replace

import pytest

from framefall.config import from_dict, override, to_dict
from framefall.recipes.registry import RECIPES
from framefall.train.objective import window
from framefall.train.recipe import Distillation, Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_compiled_unless_it_is_asked_for(name: str) -> None:
    assert RECIPES[name]().compile is False
    assert override(RECIPES[name](), ["compile=true"]).compile is True


@pytest.mark.parametrize("name", RECIPES)
def test_each_stage_trains_on_what_it_makes(name: str) -> None:
    for part in RECIPES[name]().stages.values():
        cut, shape, task = window(part), part.stage.shape, part.stage.task
        assert (cut.height, cut.width, cut.fps) == (shape.height, shape.width, shape.fps)
        if task.kind == "temporal_sr":  # whole intervals, and the frame before them
            assert cut.frames == 1 + task.intervals * task.factor and cut.image_share == 0
        else:
            assert cut.frames == shape.frames and cut.image_share == part.image_share
        assert cut.view == ("crop" if task.kind == "spatial_sr" else "whole")


@pytest.mark.parametrize(
    ("setting", "bounds"),
    [
        ("save_every=0", "at least 1"),
        ("keep=0", "at least 1"),
        ("workers=64000", "at most 256"),
        ("stages.base.batch=1000000000", "at most 65536"),
    ],
)
def test_a_number_that_would_end_or_hang_a_training_is_refused(setting: str, bounds: str) -> None:
    path, _, value = setting.rpartition("=")
    values = to_dict(RECIPES["micro"]())
    *parents, name = path.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    assert from_dict(Recipe, values, origin="a recipe")
    place[name] = int(value)
    with pytest.raises(ValueError, match=rf"{name}: must be {bounds}"):
        from_dict(Recipe, values, origin="a recipe")


@pytest.mark.parametrize(("batch", "accumulate"), [(4, 3), (0, 1), (4, 0)])
def test_a_batch_that_cannot_be_cut_into_parts_is_refused(batch: int, accumulate: int) -> None:
    part = RECIPES["micro"]().stages["base"]
    with pytest.raises(ValueError, match=r"batch must be a multiple of accumulate, got batch="):
        replace(part, batch=batch, accumulate=accumulate)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"steps": 12}, "steps of a flow map must be a power of two above 1, got 12; try 32"),
        ({"steps": 1}, "steps of a flow map must be a power of two above 1, got 1"),
        (
            {"instants": 0.9, "free": 0.2},
            "instants and free must be at least 0 and together at most 1, got 0.9 and 0.2",
        ),
        ({"rounds": 0}, "rounds must be at least 1 and ramp_steps at least 0, got 0 and"),
    ],
)
def test_a_distillation_that_cannot_be_is_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Distillation(**wrong)
    assert Distillation(method="progressive", steps=12).steps == 12  # which only halves what it is given

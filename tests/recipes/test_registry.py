"""Every recipe there is: it survives its file, and its stages fit each other."""

import pytest

from framefall.cascade.stage_config import StageConfig
from framefall.cascade.tasks import Base, SpatialSR, TemporalSR
from framefall.config import from_json, to_json
from framefall.recipes.presets import PRESETS
from framefall.recipes.registry import RECIPES
from framefall.recipes.systems import SYSTEMS
from framefall.train.recipe import Recipe


def test_the_presets_and_the_classic_systems_are_all_there_under_their_own_names() -> None:
    assert set(RECIPES) == set(PRESETS) | set(SYSTEMS) and not set(PRESETS) & set(SYSTEMS)
    assert all(make.__name__ == name and make.__doc__ for name, make in RECIPES.items())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_knows_its_name_and_survives_json(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.name == name and next(iter(recipe.stages)) == "base"
    assert from_json(Recipe, to_json(recipe)) == recipe
    assert all(part.share > 0 for part in recipe.stages.values())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_three_stages_that_share_out_the_whole_of_its_minutes(name: str) -> None:
    recipe = RECIPES[name]()
    assert list(recipe.stages) == ["base", "temporal_sr", "spatial_sr"]
    assert sum(part.share for part in recipe.stages.values()) == pytest.approx(1.0)


def unfit(stages: list[StageConfig]) -> list[str]:
    """Where neighbouring stages do not fit: a cascade shows one and the same stretch of time, ever larger."""
    faults = []
    base, *above = stages
    frames, height, width, fps = base.shape.frames, base.shape.height, base.shape.width, base.shape.fps
    if not isinstance(base.task, Base):
        faults.append("it does not begin with a base")
    for stage in above:
        task, shape = stage.task, stage.shape
        if isinstance(task, TemporalSR):
            fps *= task.factor
            if shape.frames > frames * task.factor or (shape.height, shape.width) != (height, width):
                faults.append(f"{shape} of {frames} frames of {width}x{height}")
            frames = shape.frames
        elif isinstance(task, SpatialSR):
            height, width = height * task.factor, width * task.factor
            if shape.height % task.factor or shape.width % task.factor:
                faults.append(f"crops of {shape.width}x{shape.height}, which {task.factor} does not divide")
        if shape.fps != fps:
            faults.append(f"{shape.fps} frames a second after {fps}")
    return faults


@pytest.mark.parametrize("name", RECIPES)
def test_the_stages_of_every_recipe_hand_their_frames_on(name: str) -> None:
    stages = [part.stage for part in RECIPES[name]().stages.values()]
    assert unfit(stages) == []
    if len(stages) > 2:  # the control
        assert unfit([stages[0], stages[-1], *stages[1:-1]]) or unfit([stages[0], *stages[2:]])

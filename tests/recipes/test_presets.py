"""The presets as they are documented: what each makes, how large its networks are, and what a variant leaves alone."""

from dataclasses import replace

import pytest
import torch

from framefall.models.registry import build
from framefall.models.text import TEXT_DIM
from framefall.recipes.presets import PRESETS, micro, nano, pico, worlds
from framefall.train.recipe import Recipe

CLIPS = {  # frames and pixels a side of what the base makes, and of what comes out at how many frames a second
    "nano": ((16, 64), (60, 256, 24.0)),
    "pico": ((16, 64), (60, 256, 24.0)),
    "gen1_pico": ((16, 64), (60, 256, 24.0)),
    "worlds": ((16, 32), (60, 256, 24.0)),
    "micro": ((8, 16), (15, 32, 12.0)),
}
MILLIONS = {  # of parameters a stage: weights that were trained fit these and no others
    "nano": (7.82, 3.83, 0.79),
    "pico": (3.64, 2.95, 0.79),
    "gen1_pico": (3.34, 2.95, 0.79),
    "worlds": (8.80, 1.22, 0.801),
    "micro": (0.231, 0.233, 0.065),
}


def sizes(recipe: Recipe) -> list[float]:
    """Millions of parameters of each stage's network, which is built without memory."""
    with torch.device("meta"):
        networks = [build(part.stage.backbone) for part in recipe.stages.values()]
    return [sum(each.numel() for each in network.parameters()) / 1e6 for network in networks]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_makes_clips_of_the_documented_size(name: str) -> None:
    recipe = PRESETS[name]()
    base, temporal, spatial = (part.stage for part in recipe.stages.values())
    first, (frames, side, fps) = CLIPS[name]
    assert (base.shape.frames, base.shape.height, base.shape.width) == (first[0], first[1], first[1])
    assert (temporal.shape.frames, temporal.shape.fps) == (frames, fps) == (frames, spatial.shape.fps)
    assert base.shape.fps * temporal.task.time_factor == fps
    assert base.shape.height * spatial.task.space_factor == side
    assert recipe.data.fps == fps and recipe.data.size >= side  # else there is nothing to learn sharpness from


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_networks_keep_their_size(name: str) -> None:
    assert sizes(PRESETS[name]()) == pytest.approx(MILLIONS[name], rel=0.01)


def test_a_wider_network_would_not_pass_for_the_presets() -> None:
    recipe = micro()
    base = recipe.stages["base"]
    wide = replace(base, stage=replace(base.stage, backbone=replace(base.stage.backbone, dim=128, heads=2)))
    assert sizes(replace(recipe, stages={**recipe.stages, "base": wide}))[0] > 1.01 * MILLIONS["micro"][0]


@pytest.mark.parametrize("name", PRESETS)
def test_every_base_reads_captions(name: str) -> None:
    base = PRESETS[name]().stages["base"]
    assert base.stage.backbone.text_dim == TEXT_DIM and 0 < base.text_dropout < 1  # some are dropped, for guidance


def test_pico_is_nano_with_narrower_networks_and_nothing_else() -> None:
    large, small = nano(), pico()
    for stage in large.stages:
        backbone = large.stages[stage].stage.backbone
        assert replace(small.stages[stage].stage, backbone=backbone) == large.stages[stage].stage
    assert small.stages["spatial_sr"] == large.stages["spatial_sr"]
    assert all(a < b for a, b in zip(sizes(small)[:2], sizes(large)[:2], strict=True))


def test_the_base_for_worlds_goes_on_from_given_frames() -> None:
    base = worlds().stages["base"].stage
    assert (
        base.task.known == "any" and base.backbone.low_res_channels == 4
    )  # a video's three channels, and which are given
    assert base.backbone.reader.patch[0] == 1  # a given frame shares its patch with no frame that is to be made


def test_a_recipe_is_made_anew_each_time() -> None:
    first = micro()
    first.stages.clear()
    assert list(micro().stages) == ["base", "temporal_sr", "spatial_sr"]

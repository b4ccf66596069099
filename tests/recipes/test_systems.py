"""The classic systems: built at full size without memory, trained end to end at miniature size."""

from pathlib import Path

import pytest
import torch

from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.diffusion.guidance import oscillating
from framefall.diffusion.times import grid
from framefall.models.registry import build
from framefall.recipes.systems import SYSTEMS, miniature
from framefall.runs.sources import WorldSource
from framefall.runs.training.train import train
from framefall.worlds.world import open_world

BILLIONS = {  # of Imagen Video's stages, as published
    "base": 5.6, "temporal_sr_1": 1.7, "spatial_sr_1": 1.4, "spatial_sr_2": 1.2, "temporal_sr_2": 0.78,
    "temporal_sr_3": 0.63, "spatial_sr_3": 0.34,
}  # fmt: skip


def test_imagen_video_has_the_published_stages() -> None:
    stages = {name: part.stage for name, part in SYSTEMS["imagen_video"]().stages.items()}
    shapes = [(each.shape.frames, each.shape.width, each.shape.height, each.shape.fps) for each in stages.values()]
    assert shapes == [
        (16, 40, 24, 3.0), (32, 40, 24, 6.0), (32, 80, 48, 6.0), (32, 320, 192, 6.0), (64, 320, 192, 12.0),
        (128, 320, 192, 24.0), (128, 1280, 768, 24.0),
    ]  # fmt: skip
    for name, stage in stages.items():
        with torch.device("meta"):
            size = sum(each.numel() for each in build(stage.backbone).parameters())
        assert size / 1e9 == pytest.approx(BILLIONS[name], rel=0.1), name
    assert getattr(stages["base"].backbone, "fusion", "") == "temporal"
    assert {getattr(stages[name].backbone, "fusion", "") for name in stages if name != "base"} == {"conv3d"}


# seven stages take as long as all others together; what `whole/test_gen1.py` trains is of the other's kind
SLOW = {"imagen_video", "gen1_like"}


@pytest.mark.parametrize("name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in SYSTEMS])
def test_a_miniature_trains_end_to_end_and_makes_a_clip(name: str, tmp_path: Path) -> None:
    recipe = miniature(SYSTEMS[name]())
    full = SYSTEMS[name]().stages
    assert [type(part.stage.backbone) for part in recipe.stages.values()] == [
        type(part.stage.backbone) for part in full.values()
    ]
    source = WorldSource(open_world("uniform", size=20), size=recipe.data.size, fps=recipe.data.fps)
    found = train(source, tmp_path / "model", recipe, steps=1)
    assert found.steps.keys() >= recipe.stages.keys() and set(found.steps.values()) == {1}
    cascade = load_cascade(tmp_path / "model")
    frames = 5  # of the last stage; the base makes what this needs
    video = cascade.sample(Request("a red ball moves to the right", frames=frames, quality="fast"))
    height = recipe.stages["base"].stage.shape.height
    for part in recipe.stages.values():
        height *= part.stage.task.space_factor
    assert list(video.shape) == [1, 3, frames, height, height]
    assert torch.isfinite(video).all()


def test_imagen_video_oscillates_in_its_small_stages_alone() -> None:
    stages = {name: part.stage for name, part in SYSTEMS["imagen_video"]().stages.items()}
    small = {"base", "temporal_sr_1", "spatial_sr_1"}
    assert {name for name, stage in stages.items() if stage.best.guidance.oscillate is not None} == small
    scale = oscillating(stages["base"].best.guidance.scale, *stages["base"].best.guidance.oscillate, grid(128))
    assert scale(grid(128)[:-1])[:12].tolist() == [15] * 8 + [1, 15, 1, 15]
    assert all(stage.best.guidance.threshold for name, stage in stages.items() if name in small)

"""How far structure is kept: known answers of the score, and a base that is told against its controls."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.cascade.stage_config import Sampling
from framefall.evaluate.stages.structure import Told, agreement, made_as
from framefall.models.backbone import Backbone, Condition
from framefall.models.content import CONTENT_DIM
from framefall.models.unet import UNetConfig
from framefall.recipes.registry import RECIPES
from framefall.train.loop import initial


def lines(at: int) -> np.ndarray:
    maps = np.zeros((2, 16, 16), np.float32)
    maps[:, at] = 1.0
    return maps


def test_maps_agree_within_a_pixel_and_no_further() -> None:
    assert agreement(lines(4), lines(4)) == agreement(lines(4), lines(5)) == 1.0
    assert agreement(lines(4), lines(6)) == 0.0 and agreement(lines(4), lines(6), reach=2) == 1.0
    both = np.maximum(lines(4), lines(12))
    assert (
        agreement(both, lines(4)) == agreement(lines(4), both) == pytest.approx(2 / 3)
    )  # all of one, half of the other
    nothing = np.zeros_like(both)
    assert agreement(nothing, nothing) == 1.0 and agreement(nothing, both) == agreement(both, nothing) == 0.0


class Drawing(Backbone):
    """A network that draws exactly what it is told, grey where it is told nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        told = condition.structure
        if told is None or not told[:, 1:].any():
            return torch.zeros_like(x_t)
        return told[:, :1].expand_as(x_t) * 0.9


def test_what_is_told_is_found_again_and_what_is_not_told_is_not() -> None:
    part = RECIPES["gen1_pico"]().stages["base"]
    shape = replace(part.stage.shape, frames=3, height=32, width=32)
    network = UNetConfig(dim=8, multipliers=(1, 2), blocks=(1, 1), head_dim=8, text_dim=384, low_res_channels=4)
    network = replace(network, structure_channels=2, content_dim=CONTENT_DIM)
    stage = initial(
        "base", replace(part, stage=replace(part.stage, shape=shape, backbone=network)), 0, torch.device("cpu")
    )
    stage = replace(stage, backbone=Drawing())
    clips = []
    for top in (4, 20):
        video = torch.full((1, 3, 3, 32, 32), -0.7)
        video[..., top : top + 8, 6:26] = 0.8
        clips.append(video)
    sampling = Sampling(steps=1)
    own = made_as(stage, clips, [Told(structure=i, content=i) for i in range(2)], sampling, 0)
    none = made_as(stage, clips, [Told(structure=None, content=None)] * 2, sampling, 0)
    swapped = made_as(stage, clips, [Told(structure=1 - i, content=i) for i in range(2)], sampling, 0)
    assert min(one.structure for one in own) > 0.8
    assert max(one.structure for one in none) == 0.0
    assert max(one.structure for one in swapped) < 0.3

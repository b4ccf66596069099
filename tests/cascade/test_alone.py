"""What is left of a cascade when its stages' weights are to change."""

from dataclasses import replace

import torch

from framefall.cascade.alone import alone
from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.stage_config import Few
from framefall.models.experts import retold
from framefall.models.registry import build
from framefall.recipes.presets import micro
from framefall.train.loop import initial


def test_alone_a_stage_has_no_distilled_network_in_its_config_either() -> None:
    stage = initial("base", micro().stages["base"], 0, torch.device("cpu"))
    network = retold(stage.config.backbone, flow_map=True, baked_guidance=(1.0, 4.0))
    few = Few(backbone=network, fast=stage.config.fast)
    both = replace(stage, few=build(network), config=replace(stage.config, few=few))
    cascade = Cascade(config=CascadeConfig(name="toy", stages={"base": both.config}), stages=(both,))
    assert alone(cascade, ()).stages[0].few is both.few
    left = alone(cascade)
    assert left.stages[0].few is None is left.stages[0].config.few is left.config.stages["base"].few
    assert left.stages[0].backbone is both.backbone

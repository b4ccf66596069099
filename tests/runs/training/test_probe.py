"""What throw-away steps say, of one network and of two."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from framefall.models.experts import ExpertsConfig
from framefall.models.registry import build
from framefall.models.transformer import SpaceTimeTransformer, TransformerConfig
from framefall.models.unet import SpaceTimeUNet, UNetConfig
from framefall.recipes.presets import micro
from framefall.runs.training.probe import Probe, _always, probe, state_bytes, together
from framefall.train import objective, optim
from framefall.train.recipe import StageRecipe


def test_state_is_what_the_optimisers_really_hold() -> None:
    part = micro().stages["base"]
    network = build(part.stage.backbone)
    chosen = optim.optimizers(network, part.optim)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for one in chosen:
        one.step()
    held = sum(
        value.nbytes
        for one in chosen
        for state in one.state.values()
        for value in state.values()
        if torch.is_tensor(value) and value.ndim
    )
    weights, moments = state_bytes(network, part)
    assert moments == held and weights == sum(one.nbytes for one in network.parameters())


@pytest.mark.slow  # `test_plan.py` and `bench/test_plan.py` plan with what is probed
def test_a_probe_grows_with_its_clips_and_changes_nothing_outside() -> None:
    part = micro().stages["base"]
    before = torch.random.get_rng_state()
    found = probe("base", part, 0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert found.a_clip > 0 and found.kept > 0
    assert found.seconds(32) > found.seconds(4) and found.nbytes(4) >= 0


def two_experts(split: float = 0.5) -> StageRecipe:
    """A base of a small and a large network."""
    part = micro().stages["base"]
    told = {"text_dim": part.stage.backbone.text_dim, "words": part.stage.backbone.words}
    network = ExpertsConfig(
        split=split,
        noisy=TransformerConfig(dim=32, depth=1, heads=1, patch=(1, 8, 8), **told),
        clean=UNetConfig(dim=32, multipliers=(1, 1), blocks=(1, 1), unshuffle=2, spatial_from=1, **told),
    )
    return replace(part, stage=replace(part.stage, backbone=network))


@pytest.mark.parametrize("split", [0.01, 0.5, 0.99])
def test_each_expert_is_tried_on_clips_of_its_own(split: float) -> None:
    part = two_experts(split)
    assert min(objective.noisiest(_always(part, 1.0), 50)) >= split
    assert max(objective.noisiest(_always(part, split / 2), 50)) < split
    assert len({time >= 0.5 for time in objective.noisiest(part, 50)}) == 2  # the control: else both are drawn


def test_two_experts_take_what_each_takes_by_the_share_of_its_clips() -> None:
    one = Probe(fixed=1.0, a_clip=2.0, kept=10.0, state=100.0, growing=10.0)
    other = Probe(fixed=3.0, a_clip=6.0, kept=30.0, state=120.0, growing=20.0)
    both = together([(one, 0.75), (other, 0.25)], batch=2, shared=60.0)
    assert both.a_clip == 0.75 * 2 + 0.25 * 6
    assert both.fixed == pytest.approx(1.0 * (1 - 0.25**2) + 3.0 * (1 - 0.75**2))
    assert (both.kept, both.growing, both.state) == (30.0, 20.0, 160.0)
    alone = together([(one, 1.0), (other, 0.0)], batch=2, shared=60.0)
    assert alone.seconds(2) == one.seconds(2)
    three = together([(one, 0.5), (other, 0.25), (other, 0.25)], batch=2, shared=60.0)
    assert three.a_clip == 0.5 * 2 + 0.5 * 6 and three.state == 100 + 120 + 120 - 2 * 60


@pytest.mark.slow
def test_a_network_of_two_is_probed_with_both() -> None:
    """By a clock of the test's own, on which a clip takes the small network 1 second and the large one 10."""
    now = 0.0

    def pass_time(module: nn.Module, given: object, made: Tensor) -> None:
        nonlocal now
        now += len(made) * {SpaceTimeTransformer: 1.0, SpaceTimeUNet: 10.0}.get(type(module), 0.0)

    kept = []
    hook = register_module_forward_hook(pass_time)
    try:
        for split in (0.3, 0.95):  # nearly all clips are of the small network, or of the large one
            part = two_experts(split)
            found = probe("base", part, 0, lambda: now)
            times = objective.noisiest(part)
            share = sum(time >= split for time in times) / len(times)
            assert found.a_clip == pytest.approx(share * 1 + (1 - share) * 10) and found.fixed == pytest.approx(0)
            kept.append(found.kept)
    finally:
        hook.remove()
    assert kept[0] == kept[1]  # which is of the larger one in both: a batch may be all of it

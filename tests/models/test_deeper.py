from dataclasses import replace

import pytest
import torch

from framefall.models.backbone import Condition
from framefall.models.deeper import begun, deepened, told_more, unlike
from framefall.models.experts import Experts, ExpertsConfig
from framefall.models.registry import build
from framefall.models.transformer import SpaceTimeTransformer, TransformerConfig
from framefall.models.unet import UNetConfig


def network(depth: int) -> SpaceTimeTransformer:
    torch.manual_seed(0)
    made = SpaceTimeTransformer(TransformerConfig(dim=32, depth=depth, heads=2, patch=(1, 4, 4), detail=8)).eval()
    for parameter in made.parameters():  # as after a training: no gate is zero
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def output(made: SpaceTimeTransformer) -> torch.Tensor:
    x = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return made(x, torch.tensor([0.3, 0.9]), Condition(seconds=torch.arange(4.0).expand(2, 4) / 6))


@pytest.mark.parametrize("depth", [2, 3, 5, 9])
def test_a_deeper_network_begins_with_the_same_bits(depth: int) -> None:
    shallow, deep = network(2), network(depth)
    assert depth == 2 or not torch.equal(output(deep), output(shallow))
    deep.load_state_dict(deepened(shallow.state_dict(), depth))
    assert torch.equal(output(deep), output(shallow))
    control = {name: one if one.any() else torch.ones_like(one) for name, one in deep.state_dict().items()}
    deep.load_state_dict(control)
    assert torch.equal(output(deep), output(shallow)) == (depth == 2)  # plain copies change it


def test_every_new_block_can_learn() -> None:
    deep = network(5)
    deep.load_state_dict(deepened(network(2).state_dict(), 5))
    x = torch.randn(1, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    deep(x, torch.tensor([0.5]), Condition(seconds=torch.arange(4.0)[None] / 6)).square().mean().backward()
    for block in deep.blocks:
        assert block.attn.proj.weight.grad.any() and block.mlp.down_proj.weight.grad.any()


TRANSFORMER = TransformerConfig(dim=32, depth=1, heads=2, patch=(2, 4, 4), low_res_channels=4, text_dim=6, words=3)
UNET = UNetConfig(dim=8, multipliers=(1, 2), blocks=(1, 1), head_dim=8, unshuffle=2, low_res_channels=4, text_dim=6)


@pytest.mark.parametrize("config", [TRANSFORMER, UNET], ids=["transformer", "unet"])
def test_a_network_that_is_told_structure_begins_with_the_same_bits(config: TransformerConfig | UNetConfig) -> None:
    torch.manual_seed(0)
    plain, told = build(config), build(replace(config, structure_channels=3, content_dim=5))
    for parameter in (*plain.parameters(), *told.parameters()):
        torch.nn.init.normal_(parameter, std=0.2)
    structured = build(replace(config, structure_channels=3))
    structured.load_state_dict(told_more(plain.state_dict(), structured.state_dict(), 3))
    x, t = torch.randn(2, 3, 4, 8, 8), torch.tensor([0.3, 0.9])
    text = {"text": torch.randn(2, 3, 6), "text_mask": torch.tensor([[True, True, False], [True, False, False]])}
    condition = Condition(seconds=torch.arange(4.0).expand(2, 4) / 6, low_res=torch.randn(2, 4, 4, 8, 8), **text)
    with_structure = replace(condition, structure=torch.randn(2, 3, 4, 8, 8))
    expected = plain(x, t, condition)
    torch.testing.assert_close(structured(x, t, with_structure), expected, atol=1e-5, rtol=1e-5)
    control = structured.state_dict()
    for name in ("proj_in.0.weight", "conv_in.weight"):
        if name in control:
            control[name] = control[name].flip(1)  # the same numbers, at other channels
    structured.load_state_dict(control)
    assert (structured(x, t, with_structure) - expected).abs().max() > 0.05
    weights = told_more(plain.state_dict(), told.state_dict(), 3)
    told.load_state_dict(weights)  # a content's own weights are fresh
    assert torch.equal(weights["content.proj.weight"], told.content.proj.weight)
    structured(x, t, with_structure).sum().backward()
    assert structured.get_parameter("proj_in.0.weight" if config is TRANSFORMER else "conv_in.weight").grad.any()


def test_fewer_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least that of the weights, 3, got 2"):
        deepened(network(3).state_dict(), 2)


def experts(**told: int) -> Experts:
    """Two experts of a stage."""
    torch.manual_seed(3)
    clean = UNetConfig(dim=32, multipliers=(1,), blocks=(1,), unshuffle=2, **told)  # type: ignore[arg-type]
    made = build(ExpertsConfig(noisy=replace(network(3).config, **told), clean=clean))
    assert isinstance(made, Experts)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return made.eval()


def test_one_network_becomes_the_noisy_one_of_two_experts() -> None:
    shallow, both = network(2), experts()
    fresh = {name: tensor.clone() for name, tensor in both.clean.state_dict().items()}
    both.load_state_dict(begun(shallow.state_dict(), both.state_dict(), both.config))
    clip, condition = torch.randn(2, 3, 2, 16, 16), Condition(seconds=torch.zeros(2, 2))
    high, low = torch.full((2,), 0.8), torch.full((2,), 0.2)
    torch.testing.assert_close(both(clip, high, condition), shallow(clip, high, condition), rtol=0, atol=0)
    assert (both(clip, low, condition) - shallow(clip, low, condition)).abs().max() > 0  # the control: not the other's
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in both.clean.state_dict().items())


def test_experts_begin_with_experts_and_either_may_be_told_more() -> None:
    plain, told = experts(), experts(structure_channels=2)
    told.load_state_dict(begun(plain.state_dict(), told.state_dict(), told.config))
    clip, condition = torch.randn(2, 3, 2, 16, 16), Condition(seconds=torch.zeros(2, 2))
    for t in (torch.full((2,), 0.8), torch.full((2,), 0.2)):
        torch.testing.assert_close(told(clip, t, condition), plain(clip, t, condition), rtol=0, atol=0)
    assert not list(unlike(plain.config, told.config))


def test_what_differs_is_named_with_its_expert() -> None:
    wide = replace(experts().config, noisy=replace(network(3).config, dim=64))
    assert list(unlike(wide, experts().config)) == [("noisy.dim", 64, 32)]
    assert list(unlike(network(3).config, wide)) == [("dim", 32, 64)]
    assert ("kind", "experts", "transformer") in list(unlike(wide, network(3).config))

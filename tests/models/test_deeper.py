import pytest
import torch

from framefall.models.backbone import Condition
from framefall.models.deeper import deepened
from framefall.models.transformer import SpaceTimeTransformer, TransformerConfig


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


def test_fewer_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least that of the weights, 3, got 2"):
        deepened(network(3).state_dict(), 2)

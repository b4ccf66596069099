"""A transformer with more blocks that begins as the one with fewer: what was learnt is kept to the bit."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# what a block's two branches end in: where these are zero the block changes nothing, whatever its gates are
_LAST = ("attn.proj.", "mlp.down_proj.")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


def deepened(weights: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """The weights of a `SpaceTimeTransformer` of `depth` blocks that makes the same bits as one of fewer.

    The new blocks lie evenly among the old ones. Each is a copy of the one before it, whose last matrices are zero, so
    that it is the identity and its gradient is not (as in Net2Net, Chen et al. 2016). Raises `ValueError` where there
    are more blocks already.
    """
    found = {name: _BLOCK.fullmatch(name) for name in weights}
    blocks = 1 + max(int(match[1]) for match in found.values() if match)
    if depth < blocks:
        raise ValueError(f"depth must be at least that of the weights, {blocks}, got {depth}; take a deeper recipe")
    made = {name: tensor for name, tensor in weights.items() if found[name] is None}
    sources = [new * blocks // depth for new in range(depth)]
    for new, old in enumerate(sources):
        added = new > 0 and sources[new - 1] == old
        for name, match in found.items():
            if match is None or int(match[1]) != old:
                continue
            tensor = weights[name]
            empty = added and match[2].startswith(_LAST)
            made[f"blocks.{new}.{match[2]}"] = torch.zeros_like(tensor) if empty else tensor.clone()
    return made

"""Networks that have more than the weights they begin with: what was learnt is kept."""

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


def told_more(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor], channels: int) -> dict[str, Tensor]:
    """The weights of a network that is told a structure of so many channels, or a content, from those of one without.

    `fresh` are its initial ones. What enters beside the noisy video counts nothing at first, so that it makes the same
    bits. A content is a word that was not there: a network that reads it begins near what it was.
    """
    made = {name: tensor for name, tensor in fresh.items() if name.startswith("content.")} | dict(weights)
    for name in ("proj_in.0.weight", "conv_in.weight"):
        if name in weights and weights[name].shape[1] < fresh[name].shape[1]:
            made[name] = _more_inputs(weights[name], fresh[name], channels)
    return made


def _more_inputs(weight: Tensor, fresh: Tensor, channels: int) -> Tensor:
    """A first layer with further channels whose weights are zero: a convolution's last ones.

    A linear layer has the channels of all pixels of a patch in a row: the last ones of each pixel.
    """
    made = torch.zeros_like(fresh)
    if weight.ndim > 2:
        made[:, : weight.shape[1]] = weight
        return made
    pixels = (fresh.shape[1] - weight.shape[1]) // channels
    made.unflatten(1, (pixels, -1))[:, :, : weight.shape[1] // pixels] = weight.unflatten(1, (pixels, -1))
    return made

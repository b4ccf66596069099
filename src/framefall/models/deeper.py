"""Networks that have more than the weights they begin with: what was learnt is kept."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor

from framefall.models.experts import ExpertsConfig
from framefall.models.registry import BackboneConfig
from framefall.models.transformer import TransformerConfig

# what a block's two branches end in: where these are zero the block changes nothing, whatever its gates are
_LAST = ("attn.proj.", "mlp.down_proj.")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_EXPERTS = ("noisy", "clean")
_TOLD = ("structure_channels", "content_dim")  # what a network can be told more, by inputs that count nothing yet
_NEW = ("content.", "conv_side.", "conv_step.")  # parts that a network may have more, which are fresh


def begun(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor], config: BackboneConfig) -> Mapping[str, Tensor]:
    """The weights that a network of `config` begins with, from those of one that is `unlike` it in nothing.

    `fresh` are its initial ones. Blocks that are new change nothing at first, and what it is told more counts nothing.
    One network becomes the noisy one of two experts, beside a fresh clean one.
    """
    if isinstance(config, ExpertsConfig):
        made = dict(fresh)
        for expert in _EXPERTS:
            own = _under(expert, weights)
            if not own and expert == "noisy":
                own = dict(weights)
            if own:
                found = begun(own, _under(expert, fresh), getattr(config, expert))
                made |= {f"{expert}.{name}": tensor for name, tensor in found.items()}
        return made
    if isinstance(config, TransformerConfig):
        weights = deepened(weights, config.depth)
    return told_more(weights, fresh, config.structure_channels)


def unlike(found: BackboneConfig, wanted: BackboneConfig) -> Iterator[tuple[str, object, object]]:
    """The settings that keep a network from beginning with the weights of another: name, the other's value, its own."""
    if isinstance(wanted, ExpertsConfig) and isinstance(found, ExpertsConfig):
        for expert in _EXPERTS:
            for name, theirs, ours in unlike(getattr(found, expert), getattr(wanted, expert)):
                yield f"{expert}.{name}", theirs, ours
        return
    if isinstance(wanted, ExpertsConfig):
        wanted = wanted.noisy
    if isinstance(found, TransformerConfig) and isinstance(wanted, TransformerConfig):
        found = replace(found, depth=max(found.depth, wanted.depth))
    added = {one for one in (*_TOLD, "edges") if not getattr(found, one, None)} | {"checkpoint_activations"}
    for setting in fields(wanted):
        ours, theirs = (getattr(one, setting.name, None) for one in (wanted, found))
        if setting.name not in added and ours != theirs:
            yield setting.name, theirs, ours


def _under(expert: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of one expert, by its own names."""
    front = f"{expert}."
    return {name.removeprefix(front): tensor for name, tensor in weights.items() if name.startswith(front)}


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
    made = {name: tensor for name, tensor in fresh.items() if name.startswith(_NEW)} | dict(weights)
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

"""A network split among ranks (FSDP2, Zhao et al. 2023): each keeps some rows of every weight, moment and average.

A block's weights are gathered when it computes, in the arithmetic that the device does well, and let go again. What
holds rows knows nothing of files: `resume` asks `local` and `rows`, and an unsplit tensor is all rows of itself.
"""

import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from framefall import ranks
from framefall.cascade.stage import Stage
from framefall.layers.convolution import ResidualBlock
from framefall.models.experts import Experts
from framefall.models.precision import fast_dtype
from framefall.models.registry import build
from framefall.models.transformer import TransformerBlock
from framefall.models.unet import UNetLevel

UNITS = (TransformerBlock, UNetLevel, ResidualBlock)  # gathered as a whole, one after another


@dataclass(frozen=True)
class Rows:
    """The rows of a tensor that this rank keeps, and how many there are in all."""

    first: int
    last: int
    all: int


def split(network: nn.Module, device: torch.device) -> None:
    """Splits a whole network among the ranks, in place; its rows then lie on `device`. Alone it stays as it is."""
    if ranks.world_size() == 1:
        return
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # whoever calls the network adds to what it returns and never writes into it
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    for one in network.modules():
        if isinstance(one, Experts):
            one.together = True  # whoever has half of a network must be asked whenever another rank is
    for weight in network.parameters():  # rows can be kept of what lies row by row, and channels_last does not
        weight.data = weight.data.contiguous()
    mesh = DeviceMesh.from_group(ranks.group(), device.type)
    dtype = fast_dtype(device)
    inside = MixedPrecisionPolicy(
        param_dtype=None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for block in [one for one in reversed(list(network.modules())) if isinstance(one, UNITS)]:  # the innermost first
        fully_shard(block, mesh=mesh, mp_policy=inside)
    whole = MixedPrecisionPolicy(cast_forward_inputs=False)
    fully_shard(network, mesh=mesh, mp_policy=whole, reshard_after_forward=True)


def is_split(network: nn.Module) -> bool:
    """Whether every rank must take part when it computes."""
    return any(hasattr(one, "to_local") for one in network.parameters())


def whole(stage: Stage) -> Stage:
    """The stage with a whole network again, on the CPU of rank 0; every rank must ask, and the others keep theirs."""
    if not is_split(stage.backbone):
        return stage
    tensors = {}
    for name, tensor in stage.backbone.state_dict().items():
        full = gathered(tensor)
        if ranks.rank() == 0:
            tensors[name] = full.cpu()
    if ranks.rank():
        return stage
    network = build(stage.config.backbone)
    network.load_state_dict(tensors)
    return replace(stage, backbone=network.eval())


def local(tensor: Tensor) -> Tensor:
    """The rows that this rank keeps, in their own memory."""
    found: Tensor = getattr(tensor, "to_local", lambda: tensor)()
    return found


def gathered(tensor: Tensor) -> Tensor:
    """All rows; every rank must ask."""
    found: Tensor = getattr(tensor, "full_tensor", lambda: tensor)()
    return found


def rows(tensor: Tensor) -> Rows | None:
    """Which rows this rank keeps, as `torch.chunk` deals them out; None where it keeps all."""
    if not hasattr(tensor, "to_local"):
        return None
    each = -(-len(tensor) // ranks.world_size())
    first = min(ranks.rank() * each, len(tensor))
    found = Rows(first, min(first + each, len(tensor)), len(tensor))
    assert found.last - found.first == len(local(tensor))
    return found

"""What a network costs, counted on the meta device, which computes nothing: no clip is too large to be asked about."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from framefall.models.backbone import Condition
from framefall.models.experts import ExpertsConfig
from framefall.models.registry import BackboneConfig, build


def counted(
    backbone: BackboneConfig, grid: tuple[int, int, int], *, bridged: bool = False, times: Sequence[float] = (1.0,)
) -> tuple[int, float, int]:
    """Parameters of a network, operations of a call on one clip of `grid` (frames, height, width), and bytes kept for
    the backward pass. Nothing is computed, so that no clip is too large to be asked about.

    `times` are those of the calls, where it costs what the time is: of experts the operations are the mean, and the
    bytes those of the one that keeps most.
    """
    if isinstance(backbone, ExpertsConfig):
        experts = [(counted(one, grid, bridged=bridged), len(own) / len(times)) for one, own in backbone.asked(times)]
        most = max(one[2] for one, share in experts if share)
        return sum(one[0] for one, _ in experts), sum(share * one[1] for one, share in experts), most
    return _counted(backbone, tuple(grid), bridged)


@cache
def _counted(backbone: BackboneConfig, grid: tuple[int, int, int], bridged: bool) -> tuple[int, float, int]:
    """Of one network; a plan asks for the same many times."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.device("meta"):
        network = build(backbone)
        count = backbone.words if backbone.text_dim else 0
        low = backbone.low_res_channels
        told = Condition(
            seconds=torch.empty(1, grid[0]),
            text=torch.empty(1, count, backbone.text_dim) if count else None,
            text_mask=torch.ones(1, count, dtype=torch.bool) if count else None,
            low_res=torch.empty(1, low, *grid) if low else None,
            low_res_noise=torch.empty(1) if low else None,
            prior=torch.empty(1, backbone.channels, *grid) if bridged else None,
            structure=torch.empty(1, shape, *grid) if (shape := backbone.structure_channels) else None,
            content=torch.empty(1, backbone.content_dim) if backbone.content_dim else None,
        )
        counter = FlopCounterMode(display=False)
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with torch.enable_grad(), hooks, counter:
            network(torch.empty(1, backbone.channels, *grid), torch.empty(1), told)
    parameters = sum(each.numel() for each in network.parameters())
    return parameters, counter.get_total_flops(), sum(kept.values())

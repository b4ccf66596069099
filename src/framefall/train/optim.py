"""Optimisers, learning rate and averaged weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from framefall import ranks
from framefall.layers.convolution import ResidualBlock, TemporalMixing
from framefall.layers.spacetime import SpaceTimeBlock
from framefall.models.transformer import TransformerBlock
from framefall.models.unet import AttentionBlock
from framefall.train.muon import FastMuon, KernelMuon
from framefall.train.recipe import Optim
from framefall.train.sharding import is_split


def optimizers(network: nn.Module, optim: Optim) -> list[Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices inside blocks, AdamW for everything else.

    With `optim.kernels` also for the kernels of convolutions inside blocks, and for the attention between them, unless
    the network is split among ranks. The rates given here are the full ones; `set_rates` scales them at every step.
    """
    blocks = (TransformerBlock, *_CONVOLUTIONAL) if optim.kernels and not is_split(network) else (TransformerBlock,)
    inside = {
        id(p)
        for block in network.modules()
        if isinstance(block, blocks)
        for name, p in block.named_parameters()
        if p.ndim in (2, 4) and not name.startswith(_STEERS) and ".lora_" not in name  # a LoRA's are thin matrices
    }
    tables = {id(p) for name, p in network.named_parameters() if name.endswith("table")}
    learnt = [p for p in network.parameters() if p.requires_grad]
    matrices = [p for p in learnt if id(p) in inside - tables]
    rest = [p for p in learnt if id(p) not in inside - tables]
    chosen: list[Optimizer] = [
        AdamW(rest, lr=optim.adam_lr, betas=optim.adam_betas, weight_decay=optim.weight_decay, fused=True)
    ]
    if matrices:
        kind = KernelMuon if optim.kernels and not is_split(network) else FastMuon
        chosen.append(kind(matrices, lr=optim.muon_lr, weight_decay=optim.weight_decay, momentum=0.95, nesterov=True))
    for one in chosen:
        for group in one.param_groups:
            group["full_lr"] = group["lr"]
    return chosen


_CONVOLUTIONAL = (SpaceTimeBlock, AttentionBlock, ResidualBlock, TemporalMixing)
_STEERS = "time_emb_proj"  # what a level does to a block: as in a transformer's, AdamW's


def rate(step: int, progress: float, optim: Optim) -> float:
    """The learning rate as a share of the full one: warm-up, constant, linear cool-down.

    `progress` is how much of the run is done, 0..1, in steps or in minutes.
    """
    warm = min(1.0, (step + 1) / max(1, optim.warmup_steps))
    cool = min(1.0, max(0.0, (1.0 - progress) / optim.cooldown)) if optim.cooldown > 0 else 1.0
    return warm * cool


def set_rates(chosen: Iterable[Optimizer], share: float) -> None:
    """Sets every group to this share of its full rate."""
    for one in chosen:
        for group in one.param_groups:
            group["lr"] = group["full_lr"] * share


class AveragedWeights:
    """Power-function average of the weights (Karras et al. 2024, EDM2, equation 121).

    After n updates the newest weights enter with 1 - (1 - 1/n)^(gamma + 1), so that the window stays a
    constant share `width` of the run, whose length need not be known.
    """

    def __init__(self, network: nn.Module, width: float) -> None:
        self.power = _power(width)
        self.updates = 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes in the weights after a step."""
        self.updates += 1
        weight = 1.0 - (1.0 - 1.0 / self.updates) ** (self.power + 1.0)
        new = network.state_dict()
        for name, mean in self.tensors.items():
            if mean.is_floating_point():
                mean.lerp_(new[name].detach(), weight)
            else:
                mean.copy_(new[name])


def _power(width: float) -> float:
    """The gamma with sqrt(gamma + 1) / ((gamma + 2) sqrt(gamma + 3)) = width, by bisection."""
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        found = (middle + 1) ** 0.5 / ((middle + 2) * (middle + 3) ** 0.5)
        low, high = (middle, high) if found > width else (low, middle)
    return low


def gradients(network: nn.Module) -> list[Tensor]:
    """The gradients that exist on any rank: where no clip of this one asked for a weight, it has one of zeros."""
    weights = list(network.parameters())
    if ranks.world_size() > 1:
        asked = torch.tensor([float(p.grad is not None) for p in weights], device=weights[0].device)
        ranks.average_([asked])
        for p, somewhere in zip(weights, asked.tolist(), strict=True):
            if somewhere and p.grad is None:
                p.grad = torch.zeros_like(p)
    return [p.grad for p in weights if p.grad is not None]

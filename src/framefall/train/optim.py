"""Optimisers, learning rate and averaged weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from framefall.models.transformer import TransformerBlock
from framefall.train.recipe import Optim
from framefall.train.sharding import ShardedMuon, is_split


def optimizers(network: nn.Module, optim: Optim) -> list[Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices inside blocks, AdamW for everything else.

    The rates given here are the full ones; `set_rates` scales them at every step.
    """
    inside = {
        id(p)
        for block in network.modules()
        if isinstance(block, TransformerBlock)
        for name, p in block.named_parameters()
        if p.ndim == 2 and ".lora_" not in name  # thin matrices of a LoRA are not Muon's
    }
    tables = {id(p) for name, p in network.named_parameters() if name.endswith("table")}
    learnt = [p for p in network.parameters() if p.requires_grad]
    matrices = [p for p in learnt if id(p) in inside - tables]
    rest = [p for p in learnt if id(p) not in inside - tables]
    chosen: list[Optimizer] = [
        AdamW(rest, lr=optim.adam_lr, betas=optim.adam_betas, weight_decay=optim.weight_decay, fused=True)
    ]
    if matrices:
        kind = ShardedMuon if is_split(network) else Muon
        chosen.append(kind(matrices, lr=optim.muon_lr, weight_decay=optim.weight_decay, momentum=0.95, nesterov=True))
    for one in chosen:
        for group in one.param_groups:
            group["full_lr"] = group["lr"]
    return chosen


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
    """The gradients that exist."""
    return [p.grad for p in network.parameters() if p.grad is not None]

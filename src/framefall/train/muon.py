"""Muon (Jordan et al. 2024) in the arithmetic that a device does well, for matrices, kernels, and rows of either."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Muon
from torch.optim._muon import _adjust_lr, _zeropower_via_newtonschulz

from framefall.models.precision import fast_dtype
from framefall.train import sharding


class FastMuon(Muon):
    """torch's Muon, to the bit where bfloat16 is fast; elsewhere its products are in float32, many times as fast.

    Of a matrix that is split among ranks the update is gathered, made orthogonal as a whole, and let go again.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; every rank must take it."""
        for group in self.param_groups:
            weights: list[Tensor] = []
            gradients: list[Tensor] = []
            moments: list[Tensor] = []
            self._init_group(group, weights, gradients, moments)
            settings = group["ns_coefficients"], group["ns_steps"], group["eps"]
            for weight, gradient, moment in zip(weights, gradients, moments, strict=True):
                moment.lerp_(gradient, 1 - group["momentum"])
                update = orthogonal(sharding.gathered(gradient.lerp(moment, group["momentum"])), *settings)
                own = sharding.rows(weight)
                if own is not None:
                    update = update[own.first : own.last]
                sharding.local(weight).mul_(1 - group["lr"] * group["weight_decay"])
                rate = _adjust_lr(group["lr"], group["adjust_lr_fn"], weight.shape)
                sharding.local(weight).add_(update, alpha=-rate)


class KernelMuon(FastMuon):
    """Muon that takes a convolution's kernel as the matrix `[out, in x height x width]` that it multiplies patches by.

    Its parameters are those matrices: views, so that what is learnt of them is learnt of the kernels.
    """

    def __init__(self, weights: Sequence[nn.Parameter], **settings: float | bool) -> None:
        self.weights = list(weights)
        matrices = [nn.Parameter(_matrix(weight.detach(), weight)) for weight in weights]
        assert all(matrix.data_ptr() == weight.data_ptr() for matrix, weight in zip(matrices, weights, strict=True))
        super().__init__(matrices, **settings)  # type: ignore[arg-type]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step, by the gradients of the weights."""
        (group,) = self.param_groups
        for weight, matrix in zip(self.weights, group["params"], strict=True):
            matrix.grad = None if weight.grad is None else _matrix(weight.grad, weight)
        super().step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of the weights."""
        for weight in self.weights:
            weight.grad = None
        super().zero_grad(set_to_none)


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The matrix with singular values of about 1 (.7 to 1.2), by Newton and Schulz's quintic iteration.

    X <- a X + (b A + c A^2) X with A = X X^T, from a matrix whose singular values are at most 1.
    """
    if fast_dtype(matrix.device) == torch.bfloat16:
        return _zeropower_via_newtonschulz(matrix, coefficients, steps, eps)
    a, b, c = coefficients
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide is matrix else x.T


def _matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """A kernel, or its gradient, as a matrix in the order in which the weight lies in memory, of which it is a view."""
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(len(tensor), -1)

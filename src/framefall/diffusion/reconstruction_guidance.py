"""Reconstruction guidance: a model that cannot be told what is known is led to it by the gradient of its own error."""

import torch
from jaxtyping import Float
from torch import Tensor

from framefall import checks
from framefall.diffusion.process import Process, over_video
from framefall.diffusion.samplers import Denoise
from framefall.video import Time, Video


def reconstruction_guided(
    denoise: Denoise,
    process: Process,
    known: Video,
    mask: Float[Tensor, "batch 1 frames height width"],
    scale: float = 1.0,
) -> Denoise:
    """Reconstruction guidance (Ho et al. 2022, VDM): x_b - (scale alpha / 2) grad_{z_b} |x^a - x_a|^2.

    `denoise` must let gradients flow to its noisy video z. x_a is what it believes where `known` is known (mask 1), x_b
    where it is not; a mask between counts as that share of both. Only the unknown part is moved: whoever samples puts
    the known one back into x0, so that it walks along its own path.

    At scale 1 it is the mean given the known part as well, if the model's uncertainty of the known pixels were
    independent noise of variance (sigma / alpha)^2: true of a wide prior, too far a step of a narrow one.

    The gradient is taken here and stays here, also under `torch.no_grad`: the answer has none, weights get none, and
    the graph is gone when the call returns. It costs a backward pass a call and the memory of all activations.
    """
    checks.number("scale", scale, least=0, example=1)
    if not bool(((mask >= 0) & (mask <= 1)).all()):  # nor NaN
        raise ValueError(f"mask must be within 0..1, got {float(mask.min())} to {float(mask.max())}; clamp it")

    def guided(x_t: Video, t: Time) -> Video:
        with torch.enable_grad():
            noisy = x_t.detach().requires_grad_()
            x0 = denoise(noisy, t)
            if not x0.requires_grad:
                raise ValueError("reconstruction guidance needs a denoiser with gradients, got none; drop its no_grad")
            error = (mask * (known - x0).square()).sum()
            (gradient,) = torch.autograd.grad(error, noisy)
        alpha, _ = process.scales(t)
        return x0.detach() - over_video(scale / 2 * alpha, x0) * (1 - mask) * gradient.to(x0.dtype)

    return guided

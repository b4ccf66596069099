"""The training objective: the squared error of x0, weighed as an error in another space."""

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.diffusion.prediction import Prediction, coefficients
from framefall.diffusion.process import Process
from framefall.video import Scores, Time, Video

# 1 for what counts, 0 for what does not: of whole pixels, or of each channel
Counts = Float[Tensor, "batch 1 frames height width"] | Float[Tensor, "batch channels frames height width"]
FLOOR = 0.05  # JiT's t_eps: a time below weighs as this one


def weight(process: Process, t: Time, space: Prediction = "velocity", floor: float = FLOOR) -> Time:
    """How a squared x0 error counts as a squared error of `space`.

    With x_t given, an error e of x0 is one of -alpha / sigma * e in the noise, and so one of
    (a - b alpha / sigma) e in a * x0 + b * noise. For velocity on a rectified flow that is 1 / t^2.
    `t` counts as at least `floor`, where these weights are without bound.
    """
    t = t.clamp_min(floor)
    alpha, sigma = process.scales(t)
    a, b = coefficients(space, t, process)
    return (a - b * alpha / sigma).square()


def denoising_loss(
    x0_hat: Video,
    x0: Video,
    t: Time,
    process: Process,
    space: Prediction = "velocity",
    floor: float = FLOOR,
    counts: Counts | None = None,
) -> Scores:
    """Each clip's mean squared error of x0, measured in `space`; of the pixels that count, where not all do.

    A network that says x0 under a loss on velocity is the choice of JiT (Li and He 2025, arXiv 2511.13720).
    Where each frame has its own t, each has its own weight (Chen et al. 2024, Diffusion Forcing).
    """
    error = (x0_hat - x0).square()
    if t.ndim == 1 and counts is None:
        mean = error.mean(dim=(1, 2, 3, 4))
        return weight(process, t, space, floor).to(error.dtype) * mean
    weights = weight(process, t, space, floor).to(error.dtype).reshape(len(t), 1, -1, 1, 1)  # b 1 f 1 1, or b 1 1 1 1
    if counts is None or counts.shape[1] == 1:
        error = error.mean(dim=1, keepdim=True)  # b 1 f h w
    counts = torch.ones_like(error) if counts is None else counts
    return (weights * counts * error).sum(dim=(1, 2, 3, 4)) / counts.sum(dim=(1, 2, 3, 4)).clamp_min(1e-6)

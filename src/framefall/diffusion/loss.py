"""The training objective: the error of x0, squared or absolute, weighed as an error in another space.

What cannot be known is answered by its mean under a squared error, and by its median under an absolute one. Where an
edge lies somewhere within some pixels, the one is a ramp across all of them, and the other an edge in the middle.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.diffusion.prediction import Prediction, coefficients
from framefall.diffusion.process import Process
from framefall.video import Scores, Time, Video

# 1 for what counts, 0 for what does not: of whole pixels, or of each channel
Counts = Float[Tensor, "batch 1 frames height width"] | Float[Tensor, "batch channels frames height width"]
FLOOR = 0.05  # JiT's t_eps: a time below weighs as this one
Norm = Literal["l2", "l1"]
ROUND = 0.004  # half of one of 256 levels in -1..1: an absolute error below it is as good as none, and has no corner


def size(error: Video, norm: Norm = "l2") -> Video:
    """How large each value's error is: e^2, or sqrt(e^2 + `ROUND`^2) (Charbonnier et al. 1994)."""
    return error.square() if norm == "l2" else (error.square() + ROUND**2).sqrt()


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
    norm: Norm = "l2",
) -> Scores:
    """Each clip's mean error of x0, squared or absolute, measured in `space`; of the pixels that count, if not all do.

    A network that says x0 under a loss on velocity is the choice of JiT (Li and He 2025, arXiv 2511.13720).
    Where each frame has its own t, each has its own weight (Chen et al. 2024, Diffusion Forcing).
    """
    error, weights = size(x0_hat - x0, norm), weight(process, t, space, floor)
    weights = (weights if norm == "l2" else weights.sqrt()).to(error.dtype)
    if t.ndim == 1 and counts is None:
        return weights * error.mean(dim=(1, 2, 3, 4))
    weights = weights.reshape(len(t), 1, -1, 1, 1)  # b 1 f 1 1, or b 1 1 1 1
    if counts is None or counts.shape[1] == 1:
        error = error.mean(dim=1, keepdim=True)  # b 1 f h w
    counts = torch.ones_like(error) if counts is None else counts
    return (weights * counts * error).sum(dim=(1, 2, 3, 4)) / counts.sum(dim=(1, 2, 3, 4)).clamp_min(1e-6)


def change_loss(x0_hat: Video, x0: Video, counts: Counts | None = None, norm: Norm = "l2") -> Scores:
    """Each clip's mean error of what changes from frame to frame, x0[f + 1] - x0[f]; 0 of a single frame.

    An error that is the same in all frames is none here, and one that each frame makes anew, which is flicker, counts
    twice.
    """
    error = size((x0_hat - x0).diff(dim=2), norm)
    if counts is None:
        return error.mean(dim=(1, 2, 3, 4)) if error.shape[2] else error.sum(dim=(1, 2, 3, 4))
    both = torch.minimum(counts[:, :, 1:], counts[:, :, :-1]).expand_as(error)
    return (both * error).sum(dim=(1, 2, 3, 4)) / both.sum(dim=(1, 2, 3, 4)).clamp_min(1e-6)

"""The training objective: the squared error of x0, weighed as an error in another space."""

from framefall.diffusion.prediction import Prediction, coefficients
from framefall.diffusion.process import Process
from framefall.video import Scores, Time, Video

FLOOR = 0.05  # JiT's t_eps: a time below weighs as this one


def weight(process: Process, t: Time, space: Prediction = "velocity", floor: float = FLOOR) -> Scores:
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
    x0_hat: Video, x0: Video, t: Time, process: Process, space: Prediction = "velocity", floor: float = FLOOR
) -> Scores:
    """Each clip's mean squared error of x0, measured in `space`.

    A network that says x0 under a loss on velocity is the choice of JiT (Li and He 2025, arXiv 2511.13720).
    """
    error = (x0_hat - x0).square().mean(dim=(1, 2, 3, 4))
    return weight(process, t, space, floor).to(error.dtype) * error

"""What a network predicts: x0, noise or velocity, and how to read any of them.

Each kind is a * x0 + b * noise for known a and b, and so is x_t. Two equations in two unknowns: one
solve reads every kind on every process.
"""

from typing import Literal, get_args

import torch

from framefall.diffusion.process import Process, over_video
from framefall.video import Time, Video

Prediction = Literal["x0", "noise", "velocity"]
PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)

EARLIEST = 1e-5  # a time below counts as this one where a division by sigma would end in 0 / 0


def split(kind: Prediction, prediction: Video, x_t: Video, t: Time, process: Process) -> tuple[Video, Video]:
    """The (x0, noise) that a prediction at x_t implies.

    At t = 0 there is no noise in x_t to see: the noise that an x0 prediction implies there is finite
    (times below `EARLIEST` count as it) and otherwise meaningless.
    """
    t = t.clamp_min(EARLIEST)
    alpha, sigma = (over_video(scale, x_t) for scale in process.scales(t))
    a, b = (over_video(coefficient, x_t) for coefficient in coefficients(kind, t, process))
    determinant = alpha * b - sigma * a
    return (b * x_t - sigma * prediction) / determinant, (alpha * prediction - a * x_t) / determinant


def coefficients(kind: Prediction, t: Time, process: Process) -> tuple[Time, Time]:
    """The (a, b) of the prediction a * x0 + b * noise."""
    if kind == "velocity":
        return process.rates(t)
    one, zero = torch.ones_like(t), torch.zeros_like(t)
    return (one, zero) if kind == "x0" else (zero, one)


def check(kind: Prediction, process: Process) -> None:
    """Raises ValueError for a kind that cannot be read at pure noise: `noise` where alpha(1) is 0."""
    if _readable(kind, process):
        return
    others = " or ".join(repr(other) for other in PREDICTIONS if _readable(other, process))
    raise ValueError(
        f"a prediction must determine x0 at t = 1, got {kind!r} on {process}, where alpha is 0; try {others}"
    )


def _readable(kind: Prediction, process: Process) -> bool:
    end = torch.ones(1, dtype=torch.float64)
    alpha, sigma = process.scales(end)
    a, b = coefficients(kind, end, process)
    return bool((alpha * b - sigma * a).abs() > 1e-6)

"""Learning from clips of one's own, of which some are worth more than others: negative-aware fine-tuning.

DiffusionNFT (Zheng et al. 2025, arXiv 2509.16117): a clip that is worth more than the others of its prompt is learnt
like data, one that is worth less is learnt away from, and both by denoising, without a walk to differentiate. Here in
x0, in which a network's belief before and now are x0_before and x0_now:

    loss = r |x+ - x0|^2 + (1 - r) |x- - x0|^2,   x+ = (1 - b) x0_before + b x0_now,   x- = (1 + b) x0_before - b x0_now

With r = 1/2 its gradient is zero where nothing has changed: a clip that is as good as the others teaches nothing.
"""

from jaxtyping import Float
from torch import Tensor

from framefall.video import Scores, Video

Rewards = Float[Tensor, "prompts drafts"]  # what each clip of each prompt is given
_LEAST = 1e-3  # of an error that a loss is divided by


def worth(rewards: Rewards, spread: float = 1.5) -> Rewards:
    """How far a clip is to be learnt, 0..1: r = 1/2 + 1/2 clip((R - mean of its prompt) / (spread * deviation), -1, 1).

    The deviation is that of all clips from the means of their prompts, so that a prompt whose clips are alike teaches
    little. Raises `ValueError` for a spread that is not above 0.
    """
    if not spread > 0:
        raise ValueError(f"spread must be above 0, got {spread}; try 1.5")
    better = rewards - rewards.mean(dim=1, keepdim=True)
    rounding = 1e-5 * float(rewards.abs().amax()) + 1e-12  # differences as small as this are none
    deviation = better.square().mean().sqrt().clamp_min(rounding)
    return 0.5 + 0.5 * (better / (spread * deviation)).clamp(-1.0, 1.0)


def negative_aware_loss(x0_now: Video, x0_before: Video, x0: Video, r: Scores, beta: float = 1.0) -> Scores:
    """Each clip's loss; gradients flow into `x0_now` alone.

    Each of the two errors is divided by its own mean absolute error, as there, so that no time outweighs the others.
    A smaller `beta` changes the network more for the same worth.
    """
    before = x0_before.detach()
    towards = (1.0 - beta) * before + beta * x0_now
    away = (1.0 + beta) * before - beta * x0_now
    return (r * _error(towards, x0) + (1.0 - r) * _error(away, x0)) / beta


def _error(x0_hat: Video, x0: Video) -> Scores:
    error = x0_hat - x0
    usual = error.detach().abs().mean(dim=(1, 2, 3, 4)).clamp_min(_LEAST)
    return error.square().mean(dim=(1, 2, 3, 4)) / usual

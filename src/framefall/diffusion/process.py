"""Noise processes: alpha(t) and sigma(t) of the path x_t = alpha(t) * x0 + sigma(t) * noise.

t = 0 is data and t = 1 is the noise endpoint. The endpoint is Gaussian for a base stage; a bridge
(super-resolution) ends at `prior + s * gaussian` instead. Nothing here asks which.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from framefall.video import Time, Video


class Process(ABC):
    """A path from data to noise; a new one is two methods, and everything else follows."""

    @abstractmethod
    def scales(self, t: Time) -> tuple[Time, Time]:
        """Alpha and sigma: how much data and how much noise there is at `t`."""

    @abstractmethod
    def rates(self, t: Time) -> tuple[Time, Time]:
        """The derivatives of alpha and sigma with respect to t."""

    def add_noise(self, x0: Video, noise: Video, t: Time) -> Video:
        """x_t, each clip, or each frame, at its own time."""
        alpha, sigma = (over_video(scale, x0) for scale in self.scales(t))
        return alpha * x0 + sigma * noise

    def start(self, noise: Video) -> Video:
        """Where a sampler begins, knowing nothing of x0: sigma(1) * noise."""
        _, sigma = self.scales(torch.ones(len(noise), device=noise.device))
        return over_video(sigma, noise) * noise

    def scale_input(self, x_t: Video, t: Time) -> Video:
        """What a network is shown: x_t over sqrt(alpha^2 + sigma^2), of unit size at every t."""
        alpha, sigma = self.scales(t)
        return x_t / over_video((alpha.square() + sigma.square()).sqrt(), x_t)

    def log_snr(self, t: Time) -> Time:
        """ln(alpha^2 / sigma^2): +inf at clean data, -inf where alpha is 0."""
        alpha, sigma = self.scales(t)
        return 2.0 * (alpha.log() - sigma.log())


@dataclass(frozen=True)
class RectifiedFlow(Process):
    """A straight line at constant speed (Liu et al. 2022; Lipman et al. 2022)."""

    def scales(self, t: Time) -> tuple[Time, Time]:
        """1 - t and t."""
        return 1.0 - t, t

    def rates(self, t: Time) -> tuple[Time, Time]:
        """-1 and 1."""
        return -torch.ones_like(t), torch.ones_like(t)

    def scale_input(self, x_t: Video, t: Time) -> Video:
        """x_t as it is: its size only moves between 0.7 and 1, and published flow networks see it bare."""
        return x_t


@dataclass(frozen=True)
class Cosine(Process):
    """A quarter circle, which keeps the variance (Nichol and Dhariwal 2021; in this form Salimans and Ho 2022)."""

    def scales(self, t: Time) -> tuple[Time, Time]:
        """cos(pi t / 2) and sin(pi t / 2)."""
        # the cosine is written as a sine: sin(0) is 0 exactly, cos(pi / 2) is not
        return (math.pi / 2 * (1.0 - t)).sin(), (math.pi / 2 * t).sin()

    def rates(self, t: Time) -> tuple[Time, Time]:
        """-pi / 2 * sigma and pi / 2 * alpha."""
        alpha, sigma = self.scales(t)
        return -math.pi / 2 * sigma, math.pi / 2 * alpha


@dataclass(frozen=True)
class EDM(Process):
    """Noise is added and data never shrinks (Karras et al. 2022).

    sigma = sigma_max * t^rho, so that an even grid of t is their equation 5 with sigma_min = 0.
    """

    sigma_max: float = 80.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        if self.sigma_max <= 0 or self.rho < 1:
            raise ValueError(
                f"sigma_max must be above 0 and rho at least 1, got sigma_max={self.sigma_max}, rho={self.rho};"
                " try sigma_max=80, rho=7"
            )

    def scales(self, t: Time) -> tuple[Time, Time]:
        """1 and sigma_max * t^rho."""
        return torch.ones_like(t), self.sigma_max * t**self.rho

    def rates(self, t: Time) -> tuple[Time, Time]:
        """0 and sigma_max * rho * t^(rho - 1)."""
        return torch.zeros_like(t), self.sigma_max * self.rho * t ** (self.rho - 1.0)


PROCESSES: dict[str, Process] = {"rectified_flow": RectifiedFlow(), "cosine": Cosine(), "edm": EDM()}


def over_video(values: Time, like: Video) -> Float[Tensor, "clips 1 instants 1 1"]:
    """One value a clip, or one a frame, shaped and typed to be multiplied with a video."""
    return values.to(like.dtype).reshape(values.shape[0], 1, -1, 1, 1)

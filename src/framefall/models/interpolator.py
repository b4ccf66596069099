"""Temporal super-resolution network: a trunk of either kind says how to move the given frames' pixels.

Between two keyframes it predicts where each pixel comes from in both, how to mix them, and what to add
(flow, mask and residual, as in RIFE, Huang et al. 2022). Untrained it is exactly the linear blend.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from framefall.layers.motion import warp
from framefall.models.backbone import Backbone, Condition, ReadsAs
from framefall.models.nested import Nested, nested
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.ranges import Channels
from framefall.video import Time, Video


def _trunk() -> TransformerConfig:
    return TransformerConfig(dim=192, depth=6, heads=3, patch=(4, 8, 8))


@dataclass(frozen=True, kw_only=True)
class InterpolatorConfig(ReadsAs):
    """The trunk's sizes; its input and output channels follow from `channels`."""

    kind: Literal["interpolator"] = "interpolator"
    channels: Channels = 3
    trunk: Nested = field(default_factory=_trunk)

    @property
    def reader(self) -> TransformerConfig | UNetConfig:
        """The trunk."""
        return self.trunk

    @property
    def low_res_channels(self) -> int:
        """The keyframe before, the keyframe after, and how far between them a frame lies."""
        return 2 * self.channels + 1

    def attended(self, frames: int, height: int, width: int) -> int:
        """The trunk's."""
        return self.trunk.attended(frames, height, width)


class SpaceTimeInterpolator(Backbone):
    """x0 = mask * warp(before, flow) + (1 - mask) * warp(after, flow') + residual."""

    def __init__(self, config: InterpolatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        inside, outside = config.low_res_channels, _MOTION + channels
        trunk = replace(config.trunk, channels=channels, low_res_channels=inside, out_channels=outside)
        self.trunk = nested(trunk)

    def forward(self, x_t: Video, t: Time, condition: Condition) -> Video:
        """The frames at the places that `condition.low_res` (before, after, fraction) names."""
        if condition.low_res is None:
            raise ValueError(
                "an interpolator needs the keyframes as condition.low_res, got none; show it two keyframes"
            )
        channels = self.config.channels
        motion = self.trunk(x_t, t, condition).float()
        before, after, fraction = condition.low_res.float().split((channels, channels, 1), dim=1)
        to_before, to_after, mask, residual = motion.split((2, 2, 1, channels), dim=1)
        weight = torch.sigmoid(torch.logit((1 - fraction).clamp(0.01, 0.99)) + mask)  # untrained: 1 - fraction
        return weight * warp(before, _PIXELS * to_before) + (1 - weight) * warp(after, _PIXELS * to_after) + residual


_MOTION = 5  # two flows of two components, and the mask
_PIXELS = 4.0  # an output of one means a motion of this many pixels

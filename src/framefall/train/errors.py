"""What a stage below gets wrong, imitated, so that spatial super-resolution learns to mend it.

The small clips that it is trained on are real ones made small; those that it is given were drawn by a base. What a base
draws errs in a way of its own, which was measured (docs/log.md): noise was added to held-out clips of simulated worlds
as far as t = .3 to .7, and the base of `worlds` took it out again.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from framefall.video import Time, Video

EDGE = (
    0.2  # an error where things have edges, by how steep these are; its neighbours' are .6 of it, the next frame's .5
)
TINT = 0.045  # of large places (.95 of the neighbours', .9 of the next frame's), in -1..1
COARSE = 8  # pixels between two numbers of these


def mistaken(low: Video, noise: Float[Tensor, "batch more longer height width"], share: Time) -> Video:
    """A clip with errors like a base's: outlines that waver, places that are tinted.

    `noise` is standard normal, of a channel and a frame more than the clip: what all channels and all frames share.
    `share` is 0 for no errors, 1 for such as were measured.
    """
    strength = share[:, None, None, None, None]
    within = _even(_mixed(_mixed(noise, 2, 0.5), 1, 0.36))
    return low + strength * (EDGE * _steep(low) * within + TINT * _tint(noise[:, :-1, -1:]))


def _mixed(noise: Video, axis: int, correlation: float) -> Video:
    """Noise without the last along an axis, of which all others have so much that they have this correlation."""
    last = noise.shape[axis] - 1
    own, common = noise.narrow(axis, 0, last), noise.narrow(axis, last, 1)
    return correlation**0.5 * common + (1 - correlation) ** 0.5 * own


def _even(noise: Video) -> Video:
    """The means of 3 x 3 pixels, of standard deviation 1."""
    rows = F.avg_pool2d(noise.flatten(0, 1), 3, stride=1, padding=1, count_include_pad=False)
    return 3.0 * rows.unflatten(0, noise.shape[:2])


def _steep(video: Video) -> Float[Tensor, "batch 1 frames height width"]:
    """How much neighbours differ, at most, within a pixel of each place."""
    padded = F.pad(video, (1, 1, 1, 1, 0, 0), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).abs()
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).abs()
    steep = torch.maximum(across, down).amax(1, keepdim=True) / 2
    return F.max_pool3d(steep, (1, 3, 3), stride=1, padding=(0, 1, 1))


def _tint(noise: Float[Tensor, "batch channels 1 height width"]) -> Float[Tensor, "batch channels 1 height width"]:
    """A number a large place, joined smoothly."""
    coarse = noise[:, :, 0, ::COARSE, ::COARSE]
    return F.interpolate(coarse, size=noise.shape[-2:], mode="bilinear", align_corners=True)[:, :, None]

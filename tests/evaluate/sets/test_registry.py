"""The set distances by name: what their features see, and what they are blind to."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from framefall.evaluate.encoders import encode_frames
from framefall.evaluate.metrics.features import Embeddings
from framefall.evaluate.sets.registry import (
    SET_METRICS,
    frame_features,
    motion_histograms,
    spectrum,
    spectrum_features,
)
from framefall.flow import look
from framefall.video import resize

FRAMES = 16


def square_clip(seed: int) -> Tensor:
    """A light square that moves evenly over a ground of its own: [1, 1, 16, 64, 64]."""
    random = np.random.default_rng(seed)
    ground = torch.from_numpy(random.normal(size=(1, 1, 1, 8, 8))).float() * 0.2 - 0.4
    video = torch.nn.functional.interpolate(ground[:, :, 0], (64, 64), mode="bicubic")[:, :, None]
    video = video.repeat(1, 1, FRAMES, 1, 1)
    start, angle, speed = random.uniform(16, 36, 2), random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.2)
    for frame in range(FRAMES):
        top, left = np.round(start + frame * speed * np.array((np.sin(angle), np.cos(angle)))).astype(int).clip(0, 52)
        video[..., frame, top : top + 12, left : left + 12] = 0.8
    return video.clamp(-1, 1)


def order(frames: int = FRAMES) -> Tensor:
    return torch.randperm(frames, generator=torch.Generator().manual_seed(4))


DAMAGES = {
    "none": lambda clip: clip,
    "noise": lambda clip: clip + 0.02 * torch.randn(clip.shape, generator=torch.Generator().manual_seed(6)),
    "shuffle": lambda clip: clip[:, :, order(clip.shape[2])],
    "freeze": lambda clip: clip[:, :, :1].expand_as(clip),
}


def test_a_pan_fills_one_angle_of_velocity_and_no_acceleration() -> None:
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    frames = [torch.sin((columns - 1.5 * f) / 7) * torch.cos(rows / 9) for f in range(FRAMES)]
    found = motion_histograms(look(torch.stack(frames)[None, None] * 0.8))[0]
    velocity, acceleration = found.reshape(2, 2, 8)[:, 0]
    # to the right: the first or the last bin, as the flow's error falls; 1.5 of 96 pixels are 4 of 256
    assert velocity[[0, 7]].sum() == pytest.approx(math.log2(1 + 4.0), rel=0.05)
    assert velocity[1:7].sum() < 0.05 and acceleration.sum() < 0.1 * velocity.sum()
    assert len(found) == 32


def test_a_short_clip_has_no_motion_or_spectrum() -> None:
    short = square_clip(1)[:, :, :15]
    assert len(motion_histograms(look(short))) == 0 and len(motion_histograms(look(square_clip(1)))) == 1
    assert len(spectrum_features(short[:, :, :3])) == 0
    assert frame_features(short[:, :, :0]).shape == (0, 1280) and len(frame_features(short[:, :, :3])) == 3


def test_motion_of_squares_is_told_from_every_broken_one() -> None:
    metric = SET_METRICS["motion_distance"]
    reference = [metric.features(square_clip(seed), 24.0) for seed in range(16)]
    found = {
        damage: metric.between([metric.features(break_(square_clip(100 + s)), 24.0) for s in range(16)], reference)
        for damage, break_ in DAMAGES.items()
    }
    placebo = found["noise"].value
    assert placebo < 2 * found["none"].value + found["none"].floor  # in band
    for damage in ("shuffle", "freeze"):
        assert found[damage].value > 3 * placebo, damage


@pytest.mark.slow
def test_clip_features_tell_a_frozen_set_from_a_real_one(carphone: Tensor) -> None:
    metric = SET_METRICS["transnet_distance"]
    small = resize(carphone, 27, 48, "area")
    windows = [small[:, :, start : start + 4] for start in range(32)]
    features = [metric.features(clip, 30.0) for clip in windows]
    frozen = [metric.features(DAMAGES["freeze"](clip), 30.0) for clip in windows[1::2]]
    same, apart = (metric.between(clips, features[0::2]) for clips in (features[1::2], frozen))
    assert same.value < 2 * same.floor and apart.value > 3 * same.value


def test_spectra_order_what_was_done_to_real_video(carphone: Tensor) -> None:
    vectors = encode_frames(carphone[:, :, :28])
    windows = [torch.arange(start, start + 12) for start in range(17)]
    damages = {
        "none": lambda index: index,
        "reverse": lambda index: index.flip(0),  # has the same spectrum: a placebo
        "shuffle": lambda index: index[order(12)],
        "freeze": lambda index: index[:1].expand(12),
    }
    # every window is used on both sides, so that only the damage sets them apart
    rows = {name: [spectrum(Embeddings(vectors[d(w)], 1)) for w in windows] for name, d in damages.items()}
    found = {name: SET_METRICS["spectrum_distance"].between(clips, rows["none"]).value for name, clips in rows.items()}
    assert found["none"] == pytest.approx(0.0, abs=1e-9) and found["reverse"] == pytest.approx(0.0, abs=1e-6)
    assert 0.01 < found["shuffle"] < found["freeze"]


@pytest.mark.slow  # a set's distance is tried on motion and on spectra, the features in `test_encoders.py`
def test_frame_distances_see_pictures_and_not_time() -> None:
    def features(change, first: int) -> list[np.ndarray]:
        return [frame_features(change(square_clip(first + seed))[:, :, ::15], 24.0) for seed in range(16)]

    reference = features(DAMAGES["none"], 0)
    same, reversed_, negative = (
        features(change, 100) for change in (DAMAGES["none"], lambda clip: clip.flip(2), lambda clip: -clip)
    )
    for name in ("frame_distance", "frame_kernel_distance"):
        metric = SET_METRICS[name]
        assert metric.features is frame_features
        value = metric.between(same, reference).value
        assert metric.between(negative, reference).value > 2 * value
        # blind, as it says: the same frames
        assert metric.between(reversed_, reference).value == pytest.approx(value, rel=1e-6)


def test_no_distance_goes_by_a_name_that_is_not_its_own() -> None:
    for name, metric in SET_METRICS.items():
        assert name == metric.name and not {"fvd", "fid", "kid", "fvmd", "stream"} & set(name.split("_"))


def test_too_few_clips_get_no_number_and_how_many_there_must_be() -> None:
    for metric in SET_METRICS.values():
        found = metric.too_few(3, 20)
        assert math.isnan(found.value) and "16 measurable clips" in found.reason and "got 3 and 20" in found.reason
        assert found == metric.between([np.zeros((1, 4))] * 3, [np.zeros((1, 4))] * 20)

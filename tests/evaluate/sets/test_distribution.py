import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from framefall.evaluate.encoders import encode_frames
from framefall.evaluate.metrics.features import Embeddings
from framefall.evaluate.sets.distribution import (
    FEWEST,
    compare,
    frechet,
    frechet_of_clips,
    kernel_distance,
    kernel_of_clips,
    projection,
)
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


def normals(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def one_by_one(rows: np.ndarray) -> list[np.ndarray]:
    return [row[None] for row in rows]


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


def test_the_distance_of_gaussians_is_the_closed_form() -> None:
    one = normals(400, 6, 1) @ normals(6, 6, 2) + 0.5
    other = normals(300, 6, 3) @ normals(6, 6, 4)
    cov, cov_other = np.cov(one.T), np.cov(other.T)
    closed = ((one.mean(0) - other.mean(0)) ** 2).sum()
    closed += np.trace(cov + cov_other - 2 * sqrtm(cov @ cov_other).real)
    assert frechet(one, other) == pytest.approx(closed, rel=1e-6)
    assert frechet(one, other) == pytest.approx(frechet(other, one), rel=1e-9)


def test_known_gaussians_are_as_far_apart_as_their_numbers_say() -> None:
    near, far = normals(20_000, 3, 5), 2.0 * normals(20_000, 3, 6) + np.array((1.0, 0.0, 0.0))
    assert frechet(near, far) == pytest.approx(1.0 + 3 * (2.0 - 1.0) ** 2, rel=0.03)  # means, then spreads


def test_equal_sets_are_at_distance_0_even_without_full_rank() -> None:
    few = normals(10, 50, 7)  # nine directions of fifty
    assert frechet(few, few) == pytest.approx(0.0, abs=1e-9)
    assert frechet(few, few + 1.0) == pytest.approx(50.0)
    constant = np.ones((10, 50))
    assert frechet(constant, constant) == 0.0 and frechet(constant, constant + 1.0) == pytest.approx(50.0)


def test_the_kernel_distance_is_around_0_for_equal_sets_and_grows_with_the_gap() -> None:
    repeats = [kernel_distance(normals(40, 8, seed), normals(40, 8, 100 + seed)) for seed in range(20)]
    spread = np.std(repeats) / math.sqrt(20)
    assert abs(np.mean(repeats)) < 3 * spread  # unbiased
    gaps = [kernel_distance(normals(40, 8, 1) + gap, normals(40, 8, 2)) for gap in (0.0, 0.5, 1.0)]
    assert gaps[0] < gaps[1] < gaps[2]


@pytest.mark.parametrize("measure", [frechet_of_clips, kernel_of_clips])
def test_another_set_is_beyond_the_floor_and_an_equal_one_is_not(measure) -> None:
    reference, same = one_by_one(normals(64, 8, 1)), one_by_one(normals(64, 8, 2))
    other = one_by_one(normals(64, 8, 3) * 1.5 + 1.0)
    equal, apart = (compare("test", clips, reference, measure, seed=3) for clips in (same, other))
    assert equal.value < equal.floor + 3 * abs(equal.high - equal.low) and apart.low > 3 * equal.high
    assert apart.low < apart.value < apart.high and (apart.n, apart.n_reference) == (64, 64) and not apart.reason
    assert compare("test", other, reference, measure, seed=3) == apart  # the seed says all
    assert compare("test", other, reference, measure, seed=4).value == apart.value


def test_the_interval_holds_the_value_of_endless_clips() -> None:
    truth = 3 * 0.5**2
    held = 0
    for seed in range(12):
        found = compare(
            "test", one_by_one(normals(200, 3, seed) + 0.5), one_by_one(normals(200, 3, 50 + seed)), components=None
        )
        held += found.low <= truth <= found.high
    assert held >= 9  # of 12; 95 % of the time, less the small bias of few clips


def test_too_few_clips_are_refused_in_a_sentence() -> None:
    enough, few = one_by_one(normals(FEWEST, 4, 1)), one_by_one(normals(FEWEST - 1, 4, 2))
    for pair in ((enough, few), (few, enough), ([], enough)):
        refused = compare("test", *pair)
        assert math.isnan(refused.value) and f"{FEWEST} measurable clips" in refused.reason
    assert not math.isnan(compare("test", enough, enough).value)


def test_a_clip_that_cannot_be_measured_is_not_counted() -> None:
    clips = one_by_one(normals(FEWEST + 2, 4, 1))
    clips[3] = np.full((1, 4), np.nan)
    clips[5] = np.zeros((0, 4))
    assert compare("test", clips, one_by_one(normals(20, 4, 2))).n == FEWEST


def test_features_of_two_lengths_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="one number of frames"):
        compare("test", one_by_one(normals(20, 4, 1)), one_by_one(normals(20, 5, 2)))


def test_frames_of_one_clip_are_not_compared_with_each_other() -> None:
    base = normals(32, 4, 1)
    single, doubled = one_by_one(base), [np.repeat(row[None], 3, axis=0) for row in base]
    other = one_by_one(normals(32, 4, 2))
    plain, repeated = (compare("test", clips, other, kernel_of_clips, components=None) for clips in (single, doubled))
    assert plain.value == pytest.approx(repeated.value)


def test_the_projection_keeps_the_main_directions_of_the_reference() -> None:
    rows = normals(100, 6, 1) * np.array((5.0, 3.0, 0.1, 0.1, 0.1, 0.1))
    kept = projection(rows, 2)(rows)
    assert kept.shape == (100, 2) and kept.var() * 2 > 0.99 * rows.var(axis=0).sum()


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


def test_clip_features_tell_a_frozen_set_from_a_real_one(carphone: Tensor) -> None:
    metric = SET_METRICS["transnet_distance"]
    small = resize(carphone, 27, 48, "area")
    windows = [small[:, :, start : start + 8] for start in range(32)]
    features = [metric.features(clip, 30.0) for clip in windows]
    frozen = [metric.features(DAMAGES["freeze"](clip), 30.0) for clip in windows[1::2]]
    same, apart = (metric.between(clips, features[0::2]) for clips in (features[1::2], frozen))
    assert same.value < 2 * same.floor and apart.value > 3 * same.value


def test_spectra_order_what_was_done_to_real_video(carphone: Tensor) -> None:
    vectors = encode_frames(carphone)
    windows = [torch.arange(start, start + 12) for start in range(28)]
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


def test_frame_distances_see_pictures_and_not_time() -> None:
    for name in ("frame_distance", "frame_kernel_distance"):
        metric = SET_METRICS[name]
        reference = [metric.features(square_clip(seed)[:, :, ::2], 24.0) for seed in range(16)]
        same, reversed_, negative = (
            metric.between(
                [metric.features(change(square_clip(100 + s))[:, :, ::2], 24.0) for s in range(16)], reference
            )
            for change in (DAMAGES["none"], lambda clip: clip.flip(2), lambda clip: -clip)
        )
        assert negative.value > 2 * same.value
        assert reversed_.value == pytest.approx(same.value, rel=0.2)  # blind, as it says: nearly the same frames


def test_no_distance_goes_by_a_name_that_is_not_its_own() -> None:
    for name, metric in SET_METRICS.items():
        assert name == metric.name and not {"fvd", "fid", "kid", "fvmd", "stream"} & set(name.split("_"))

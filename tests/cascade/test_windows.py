"""A long or large video in pieces is the video at once."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade import stage as stage_module
from framefall.cascade.conditioning import SpatialSR, Task
from framefall.cascade.stage import Sampling, Stage

STEP = 1 / 255  # half of a pixel's step in -1..1


def in_windows(run: Callable[..., Tensor], stage: Stage, low: Tensor, task: Task, sampling: Sampling) -> Tensor:
    """As a cascade does it: window after window, margins cut off."""
    made, parts = 0, []
    while (window := task.window(made, low.shape[2], True)) is not None:
        video = run(stage, low[:, :, window.inputs.start : window.inputs.stop], window.frames, sampling)
        parts.append(video[:, :, window.keep.start - window.frames.start : window.keep.stop - window.frames.start])
        made = window.keep.stop
    return torch.cat(parts, dim=2)


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm++2m", "ancestral"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_video_in_windows_is_the_video_at_once(run, spatial, moving, float32, steps, sampler):
    sampling, low = Sampling(steps=steps, sampler=sampler), moving(14)
    whole = run(spatial, low, range(14), sampling)
    task = replace(spatial.task(14, sampling), frames=4)
    assert task.halo >= spatial.backbone.halo[0] * steps
    parts = in_windows(run, spatial, low, task, sampling)
    # float32; the stated aim is half of a pixel's step, 1 / 255
    assert (parts - whole).abs().max() < 1e-4 < STEP
    bare = in_windows(run, spatial, low, replace(task, halo=0), sampling)
    assert (bare - whole).abs().max() > 10 * STEP


def test_a_margin_one_frame_too_narrow_shows(run, configs, learned, moving, float32):
    """Heun asks twice a step, each time about its own answer: the margin counts questions, not steps."""
    config = replace(configs["spatial_sr"], bridge=None)
    stage, low = learned("spatial_sr", config), moving(12)
    sampling = Sampling(steps=2, sampler="heun")
    task = replace(stage.task(12, sampling), frames=4)
    assert task.halo == 3 * stage.backbone.halo[0]
    whole = run(stage, low, range(12), sampling)
    errors = [
        float((in_windows(run, stage, low, replace(task, halo=halo), sampling) - whole).abs().max())
        for halo in (task.halo, task.halo - 1)
    ]
    assert errors[0] < 1e-4 and errors[1] > 10 * errors[0]


def test_windows_in_fast_arithmetic_differ_by_less_than_a_pixels_step(run, spatial, moving):
    sampling, low = Sampling(steps=2), moving(10)
    task = replace(spatial.task(10, sampling), frames=4)
    whole = run(spatial, low, range(10), sampling)
    assert (in_windows(run, spatial, low, task, sampling) - whole).abs().max() < STEP
    assert (in_windows(run, spatial, low, replace(task, halo=0), sampling) - whole).abs().max() > STEP


def test_a_window_is_32_frames_and_its_margin(spatial):
    task = spatial.task(70, Sampling(steps=2))
    assert isinstance(task, SpatialSR) and task.frames == 32 and task.halo == 2 * spatial.backbone.halo[0]
    assert spatial.task().halo == spatial.backbone.halo[0]


def test_a_large_picture_goes_through_a_stage_in_tiles(run, spatial, monkeypatch, moving, float32):
    low, sampling = moving(2, 20, 12), Sampling(steps=2)
    whole = run(spatial, low, range(2), sampling)
    monkeypatch.setattr(stage_module, "_TILE", 16)
    torch.testing.assert_close(run(spatial, low, range(2), sampling), whole, rtol=0, atol=1e-4)
    spatial.backbone.halo = (spatial.backbone.halo[0], 0)
    assert (run(spatial, low, range(2), sampling) - whole).abs().max() > 10 * STEP


def test_a_picture_larger_than_a_transformer_was_trained_on_is_blended(run, temporal, moving):
    low = moving(4, 24, 40)
    out = run(temporal, low, range(1, 7), Sampling(steps=2))
    assert out.shape[-2:] == (24, 40) and out.isfinite().all()
    assert torch.equal(out[:, :, 1::2], low[:, :, 1:])

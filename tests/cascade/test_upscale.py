"""Real videos, in chunks, through the stages above the base."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.cascade import Cascade, CascadeConfig, _Held, finished
from framefall.cascade.conditioning import frame_seconds
from framefall.cascade.stage import Sampling
from framefall.models.backbone import Condition
from framefall.noise import Key
from framefall.video import resize

STEP = 1 / 255  # half of a pixel's step in -1..1
TALK, DOGS = "a man talks in a moving car", "two dogs"


def chunked(video: Tensor, size: int) -> Iterator[Tensor]:
    return iter(video.split(size, dim=2))


def upscaled(
    cascade: Cascade, video: Tensor, size: int, stages: tuple[str, ...] = ("temporal_sr", "spatial_sr")
) -> Tensor:
    events = cascade.upscale(chunked(video, size), stages=stages, fps=6.0)
    return torch.cat(list(finished(events, cascade.stage(stages[-1]))), dim=2)


def sampled(cascade: Cascade, name: str, sampling: Sampling) -> Cascade:
    """The same cascade, with one stage sampled otherwise."""
    stages = [
        replace(stage, config=replace(stage.config, fast=sampling)) if stage.name == name else stage
        for stage in cascade.stages
    ]
    return replace(cascade, stages=tuple(stages))


@pytest.mark.parametrize("stages", [("temporal_sr",), ("spatial_sr",), ("temporal_sr", "spatial_sr")], ids=str)
def test_a_real_video_comes_out_the_same_however_it_comes_in(cascade, moving, stages):
    frames = 20 if "temporal_sr" in stages else 37  # more than one window of every stage
    video = moving(frames, 16, 16)
    whole = upscaled(cascade, video, 100, stages)
    for size in (1, 7):
        assert torch.equal(upscaled(cascade, video, size, stages), whole)
    assert whole.shape[2] == (39 if "temporal_sr" in stages else 37)
    assert whole.shape[-1] == (32 if "spatial_sr" in stages else 16)
    other = video.clone()
    other[:, :, 12] = 0.5
    assert not torch.equal(upscaled(cascade, other, 100, stages), whole)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 13])
def test_frames_are_doubled_in_number_except_the_last(cascade, moving, frames):
    video = moving(frames, 16, 16)
    doubled = upscaled(cascade, video, 4, ("temporal_sr",))
    assert doubled.shape[2] == 2 * frames - 1
    assert torch.equal(doubled[:, :, ::2], video)


def test_a_long_video_in_windows_of_32_is_the_video_at_once(cascade, moving, float32):
    cascade = sampled(cascade, "spatial_sr", Sampling(steps=2))
    video = moving(70)
    found = upscaled(cascade, video, 16, ("spatial_sr",))
    stage = cascade.stage("spatial_sr")
    told = Condition(seconds=frame_seconds(70, torch.tensor([6.0])))
    sampling = replace(stage.config.fast, low_res_noise=0.0)
    *_, last = stage.sample(told, video, (16, 16), range(70), [Key(0, "sample", "0")], sampling)
    assert (found - last.x).abs().max() < 1e-4 < STEP  # float32
    stage.backbone.halo = (0, stage.backbone.halo[1])
    assert (upscaled(cascade, video, 16, ("spatial_sr",)) - last.x).abs().max() > 10 * STEP


def test_a_real_video_is_trusted_and_a_generated_one_is_not(configs, fresh, moving):
    stage = fresh("spatial_sr", configs["spatial_sr"])
    cascade = Cascade(config=CascadeConfig(name="one", stages={"spatial_sr": stage.config}), stages=(stage,))
    video = moving(5)
    assert torch.equal(upscaled(cascade, video, 2, ("spatial_sr",)), resize(video, 16, 16))  # no noise is put in


def test_frames_go_out_before_the_last_one_has_come_in(cascade, moving):
    taken = 0

    def camera() -> Iterator[Tensor]:
        nonlocal taken
        for frame in moving(100, 16, 16).split(1, dim=2):
            taken += 1
            yield frame

    events = cascade.upscale(camera(), stages=("temporal_sr", "spatial_sr"), fps=6.0)
    next(finished(events, cascade.stage("spatial_sr")))
    assert taken < 30  # 32 frames and a margin of one, of twice as many


def test_a_long_video_is_never_held_whole(cascade, moving):
    events = cascade.upscale(chunked(moving(200), 4), stages=("spatial_sr",), fps=6.0)
    held = [event is None or events.gi_frame.f_locals["held"] for event in events]
    most = max(one.video.shape[2] for one in held if one.video is not None)
    assert most <= 32 + 2 * 1 + 4  # a window, its margins, and what the last chunk brought too much
    assert held[-1].start > 100


def test_what_is_held_is_named_by_its_absolute_number(moving):
    held, video = _Held(), moving(10)
    held.add(video[:, :, :6])
    held.forget(4)
    held.add(video[:, :, 6:])
    assert (held.start, held.stop, held.video.shape[2]) == (4, 10, 6)
    assert torch.equal(held.take(range(5, 9)), video[:, :, 5:9])
    assert torch.equal(held.take(range(9, 12)), video[:, :, 9:].expand(-1, -1, 3, -1, -1))  # the last one repeats
    held.forget(2)
    assert held.start == 4
    held.forget(50)
    assert held.start == 9 and torch.equal(held.take(range(60, 61)), video[:, :, 9:])


def test_frames_of_a_real_video_are_events_too(cascade, moving):
    events = list(cascade.upscale(chunked(moving(5, 16, 16), 2), stages=("temporal_sr",), fps=6.0))
    real = [event for event in events if event.stage is None]
    assert [event.frames for event in real] == [range(2), range(2, 4), range(4, 5)]
    assert all(event.step is None and event.video is not None for event in real)

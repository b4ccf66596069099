"""Windows of a base stage: what they are told, and in which order their frames come out."""

from dataclasses import replace

import pytest
import torch

from framefall.cascade import keyframes as keyframes_module
from framefall.cascade.continuity.carried import carried
from framefall.cascade.keyframes import keyframes, plan
from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.cascade.tasks import Base
from framefall.noise import Key

KEYS = [Key(0, "sample", "0")]


@pytest.fixture
def base(configs, learned):
    """A toy base that can be told any frames."""
    config = configs["base"]
    return learned(
        "base", replace(config, task=Base(known="any"), backbone=replace(config.backbone, low_res_channels=4))
    )


def made(base, request: Request, total: int) -> torch.Tensor:
    """All frames in the order in which they come."""
    parts = [
        (frames, video)
        for frames, _, video in keyframes(base, request, KEYS, total, base.config.fast)
        if video is not None
    ]
    assert [frame for frames, _ in parts for frame in frames] == list(range(total + request.loop))
    return torch.cat([video for _, video in parts], dim=2)


def test_frames_before_a_video_are_made_backward_and_come_out_forward(base, moving):
    given = moving(5, 16, 16)
    out = made(base, Request(known=(Known(video=given, fps=6.0, start=15 / 6),)), 20)
    assert out.shape[2] == 20 and torch.equal(out[:, :, 15:], given)


def test_what_lies_between_two_videos_depends_on_both(base, moving):
    first, last = Known(video=moving(3, 16, 16), fps=6.0), Known(video=-moving(3, 16, 16), fps=6.0, start=17 / 6)
    both = made(base, Request(known=(first, last)), 20)
    assert torch.equal(both[:, :, :3], first.video) and torch.equal(both[:, :, 17:], last.video)
    alone = made(base, Request(known=(first,)), 20)
    assert not torch.equal(both[:, :, 16], alone[:, :, 16])


def test_a_window_is_told_of_those_before_it_and_would_be_another_without(base, monkeypatch):
    long = made(base, Request(), 14)
    monkeypatch.setattr("framefall.cascade.keyframes._told", lambda *rest: None)
    assert not torch.equal(made(base, Request(), 14)[:, :, 8:], long[:, :, 8:])


def test_a_window_is_reminded_of_the_scenes_beginning_however_far_it_has_come(base, monkeypatch):
    seen: list[tuple[int, torch.Tensor]] = []
    plain = keyframes_module._told

    def told(stage, request, window, *rest):
        known = plain(stage, request, window, *rest)
        seen.append((window.frames.start, known.video.clone() if known is not None else torch.zeros(0)))
        return known

    monkeypatch.setattr(keyframes_module, "_told", told)
    base = replace(base, config=replace(base.config, fast=replace(base.config.fast, anchors=1)))
    out = made(base, Request(), 40)
    for start, video in seen[2:]:
        assert torch.equal(video[:, :, 0], out[:, :, 0])  # the first frame of all
        assert torch.equal(video[:, :, 1], out[:, :, start + 1])  # and then what came before, as it was
    seen.clear()
    base = replace(base, config=replace(base.config, fast=replace(base.config.fast, anchors=0)))
    out = made(base, Request(), 40)
    assert all(torch.equal(video[:, :, 0], out[:, :, start]) for start, video in seen[2:])  # the control


def test_what_is_given_is_the_anchor_and_a_window_keeps_the_frame_before_it(base, moving, monkeypatch):
    given = moving(5, 16, 16)
    seen: list[torch.Tensor] = []
    plain = keyframes_module._told

    def told(stage, request, window, *rest):
        known = plain(stage, request, window, *rest)
        seen.append(known.video.clone())
        return known

    monkeypatch.setattr(keyframes_module, "_told", told)
    many = replace(base, config=replace(base.config, fast=replace(base.config.fast, anchors=100)))
    out = made(many, Request(known=(Known(video=given, fps=6.0),)), 40)
    *_, last = plan(base, Request(known=(Known(video=given, fps=6.0),)), 40)
    told_of, before = seen[-1], last.keep.start - 1
    assert torch.equal(told_of[:, :, 0], given[:, :, 0])
    assert torch.equal(told_of[:, :, before - last.frames.start], out[:, :, before])  # however many anchors


def test_numbers_and_prompts_follow_the_frames(base):
    assert [window.keep for window in plan(base, Request(prompts_at=((1.0, "b"),)), 10)][1].start == 6
    request = Request(numbers=torch.arange(20.0)[None, :, None])
    assert request.numbers_of(range(3, 6), 10).flatten().tolist() == [6.0, 8.0, 10.0]
    assert request.numbers_of(range(8, 12), 10).flatten().tolist() == [16.0, 18.0, 19.0, 19.0]


@pytest.mark.parametrize("total", [8, 20])
def test_the_frame_beside_what_is_given_carries_its_motion_on(base, moving, total):
    given = moving(9, 16, 16)[:, :, :8]  # frames 0 .. 7 of 24 a second: of a base's 6, frames 0 and 1
    request = Request(known=(Known(video=given),))
    out = made(base, request, total)
    [image] = carried(request.known, {2: 2 / 6}, 6.0, (16, 16), torch.device("cpu")).values()
    assert torch.equal(out[:, :, 2:3], image)
    plain = replace(base, config=replace(base.config, fast=replace(base.config.fast, carried=False)))
    other = made(plain, request, total)
    assert not torch.equal(other[:, :, 2], out[:, :, 2]) and not torch.equal(other[:, :, 3], out[:, :, 3])


@pytest.mark.parametrize("start", [None, 0, 10])
def test_windows_keep_the_light_of_their_scene(base, monkeypatch, start):
    """Of a base that makes every window brighter than the frames that it is told."""

    def brighter(stage, x_t, t, condition):
        told = (
            t < 0.5 * t.amax(1, keepdim=True) if t.ndim == 2 else torch.zeros(len(x_t), x_t.shape[2], dtype=torch.bool)
        )
        mean = x_t.mean((1, 3, 4))
        light = 0.05 + (mean * told).sum(1) / told.sum(1).clamp_min(1) if bool(told.any()) else torch.zeros(len(x_t))
        return light[:, None, None, None, None].expand_as(x_t)

    monkeypatch.setattr("framefall.cascade.stage.Stage.x0", brighter)
    given = torch.full((1, 3, 3, 16, 16), -0.1)
    known = () if start is None else (Known(video=given, fps=6.0, start=start / 6),)
    drift = {}
    for steady in (True, False):
        fast = replace(base.config.fast, steady=steady, carried=False)
        stage = replace(base, config=replace(base.config, fast=fast))
        out = made(stage, Request(known=known), 30)
        scene = 0.0 if start is None else -0.1
        drift[steady] = float((out.mean((0, 1, 3, 4)) - scene).abs().max())
        if start is not None:
            assert torch.equal(out[:, :, start : start + 3], given)
    assert drift[True] < 0.01 < 0.1 < drift[False]


def test_a_window_begins_as_the_one_before_it_moves(base, moving):
    out = made(base, Request(), 14)
    first = next(window for window in plan(base, Request(), 14) if window.keep.start > 0).keep.start
    run = Known(video=out[:, :, first - 2 : first], fps=6.0, start=(first - 2) / 6)  # of three told one is an anchor
    [image] = carried([run], {first: first / 6}, 6.0, (16, 16), torch.device("cpu")).values()
    assert torch.equal(out[:, :, first : first + 1], image)


def test_a_base_that_cannot_be_told_of_doubt_carries_nothing(configs, learned, moving):
    told = learned("base", replace(configs["base"], task=Base(known=0)))
    request = Request(known=(Known(video=moving(8, 16, 16)),))
    [image] = carried(request.known, {2: 2 / 6}, 6.0, (16, 16), torch.device("cpu")).values()
    assert not torch.equal(made(told, request, 8)[:, :, 2:3], image)

"""Stages in a row: new clips, real videos made larger, clips of other sizes, clips that go on from given frames."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import pytest
import torch
from torch import Tensor, nn

from examples import examples
from framefall.cascade.cascade import Cascade, CascadeConfig, SegmentStep, finished
from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling
from framefall.cascade.tasks import Base
from framefall.data.buckets import Bucket
from framefall.diffusion.guidance_config import Guidance
from framefall.models.backbone import Condition
from framefall.noise import Key
from framefall.progress import Stepped
from framefall.video import resize

STEP = 1 / 255  # half of a pixel's step in -1..1
TALK, DOGS = "a man talks in a moving car", "two dogs"


def of(*stages: Stage) -> Cascade:
    return Cascade(config=CascadeConfig(name="toy", stages={one.name: one.config for one in stages}), stages=stages)


def sampled(cascade: Cascade, name: str, sampling: Sampling) -> Cascade:
    """The same cascade, with one stage sampled otherwise."""
    stages = [
        replace(stage, config=replace(stage.config, fast=sampling)) if stage.name == name else stage
        for stage in cascade.stages
    ]
    return replace(cascade, stages=tuple(stages))


# new clips


@pytest.mark.parametrize("frames", [1, 16, 40, *examples([], [2, 7, 15, 17])])
def test_the_number_of_frames_is_met_exactly(cascade, frames):
    video = cascade.sample(Request(TALK, frames=frames))
    assert video.shape == (1, 3, frames, 32, 32) and video.isfinite().all()


def test_seconds_are_as_many_frames_as_the_last_stage_shows_in_them(cascade):
    for until, seconds, frames in ((None, 0.5, 6), ("base", 0.5, 3), ("base", 0.01, 1)):
        assert cascade.sample(Request(until=until, seconds=seconds)).shape[2] == frames


@pytest.mark.parametrize(
    ("until", "size"), [("base", (8, 16, 16)), ("temporal_sr", (15, 16, 16)), (None, (15, 32, 32))]
)
def test_a_cascade_stops_where_it_is_told_and_makes_what_that_stage_makes(cascade, until, size):
    assert cascade.sample(Request(TALK, until=until)).shape == (1, 3, *size)
    assert cascade.fps(until) == (6 if until == "base" else 12)


@pytest.mark.parametrize("until", ["base", "temporal_sr"])
def test_fewer_or_more_frames_than_usual_are_met_in_the_middle_too(cascade, until):
    for frames in (1, 3, 8, 11):
        assert cascade.sample(Request(TALK, until=until, frames=frames)).shape[2] == frames


def test_every_step_of_every_stage_is_there_in_order(cascade):
    events = list(cascade.stream(Request((TALK, None), frames=15)))
    names = [event.stage.name for event in events]
    assert [name for name, _ in groupby(names)] == ["base", "temporal_sr", "spatial_sr"]
    for stage in cascade.stages:
        own = [event for event in events if event.stage is stage]
        segments = [list(group) for _, group in groupby(own, key=lambda event: event.frames)]
        covered = [frame for segment in segments for frame in segment[0].frames]
        assert covered == list(range(8 if stage.name == "base" else 15))  # each frame exactly once
        for segment in segments:
            steps = [event.step for event in segment]
            assert [step.index for step in steps] == list(range(stage.config.fast.steps))
            assert {step.total for step in steps} == {stage.config.fast.steps} and steps[-1].t == 0
            assert [event.video is None for event in segment] == [True] * (len(segment) - 1) + [False]
            assert segment[-1].video.shape[:3] == (2, 3, len(segment[0].frames))


def test_a_step_says_how_far_it_is_and_of_what(cascade):
    events = list(cascade.stream(Request(until="base", frames=3)))
    assert all(isinstance(event, Stepped) for event in events)
    assert [(event.done, event.total) for event in events] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {event.what for event in events} == {"base, frames 0-2"}


def test_better_quality_is_more_steps(cascade):
    fast, best = (len(list(cascade.stream(Request(quality=quality, until="base")))) for quality in ("fast", "best"))
    assert (fast, best) == (4, 16)


def test_a_sample_is_the_end_of_the_stream(cascade):
    *_, last = cascade.stream(Request(TALK, frames=9, seed=3))
    assert torch.equal(cascade.sample(Request(TALK, frames=9, seed=3))[:, :, -last.video.shape[2] :], last.video)


def test_nothing_is_computed_before_it_is_asked_for(cascade):
    events = cascade.stream(Request(TALK))
    first = next(events)
    assert first.stage.name == "base" and first.step.index == 0 and first.video is None
    events.close()  # whoever has seen enough just stops


def test_the_same_seed_makes_the_same_video_and_another_one_another(cascade):
    one = cascade.sample(Request(TALK, seed=1))
    assert torch.equal(cascade.sample(Request(TALK, seed=1)), one)
    assert (cascade.sample(Request(TALK, seed=2)) - one).abs().mean() > 0.05


def test_a_caption_makes_a_difference(cascade):
    one, two, null = (cascade.sample(Request(caption, until="base")) for caption in (TALK, DOGS, None))
    assert min((one - two).abs().mean(), (one - null).abs().mean()) > 0.01


@pytest.mark.parametrize("until", examples(["base"], ["base", None]))
def test_a_clip_does_not_depend_on_its_neighbours(cascade, float32, until):
    captions = (TALK, None, DOGS)
    together = cascade.sample(Request(captions, until=until))
    for index, caption in enumerate(captions):
        alone = cascade.sample(Request(caption, names=(str(index),), until=until))
        assert torch.equal(cascade.sample(Request(caption, names=(str(index),), until=until)), alone)
        # float32 sums in another order; above the base stage motion is found in whole grey levels,
        # so that a last bit may count a little more
        aim = 1e-3 if until == "base" else 4 * STEP
        assert (together[index] - alone[0]).abs().max() < aim
    assert (together[0] - together[1]).abs().mean() > 0.05
    renamed = cascade.sample(Request(TALK, names=("another",), until=until))
    assert (renamed[0] - together[0]).abs().mean() > 0.05


def test_given_frames_reach_the_next_stage_untouched(cascade):
    low = cascade.sample(Request(TALK, until="base"))
    high = cascade.sample(Request(TALK, until="temporal_sr"))
    assert torch.equal(high[:, :, ::2], low)
    assert (high[:, :, 1::2] - low[:, :, :-1]).abs().mean() > 0.01


def test_guidance_acts_on_the_stage_that_reads_captions(cascade):
    strong = Sampling(guidance=Guidance(scale=3.0, interval=(0.0, 1.0)))
    guided = sampled(cascade, "base", strong).sample(Request(TALK, until="base"))
    assert guided.isfinite().all()
    assert (guided - cascade.sample(Request(TALK, until="base"))).abs().mean() > 1e-3


def test_a_request_may_say_how_strongly_its_caption_pulls(cascade):
    weak, strong = (cascade.sample(Request(TALK, until="base", guidance=scale)) for scale in (1.0, 3.0))
    assert (strong - weak).abs().mean() > 1e-3
    told = replace(cascade.stage("base").config.fast, guidance=Guidance(scale=3.0))
    assert torch.equal(sampled(cascade, "base", told).sample(Request(TALK, until="base")), strong)
    plain = cascade.sample(Request(TALK, until="base"))
    assert torch.equal(plain, weak)  # 1 is what the toy's own config says


def test_a_request_changes_what_it_names_and_keeps_the_rest_of_the_models_own(cascade):
    own = replace(cascade.stage("base").config.fast, guidance=Guidance(scale=3.0, rescale=0.0, interval=(0.0, 1.0)))
    model = sampled(cascade, "base", own)

    def clip(guidance):
        return model.sample(Request(TALK, until="base", guidance=guidance))

    assert torch.equal(clip({"scale": 3.0}), clip(None)) and torch.equal(clip(own.guidance), clip(None))
    bounded = clip({"threshold": 90.0})
    assert torch.equal(bounded, clip(replace(own.guidance, threshold=90.0)))
    assert bounded.abs().max() <= 1.0 < clip(None).abs().max()
    assert not torch.equal(bounded, clip(Guidance(threshold=90.0)))  # the control: the rest is not kept


def test_a_weaker_model_is_walked_away_from(cascade):
    def walked(model, **settings):
        request = Request(TALK, until="base", guidance={"interval": (0.0, 1.0), "rescale": 0.0, **settings})
        return model.sample(request)

    fresh = replace(cascade, stages=(_other(cascade.stages[0]), *cascade.stages[1:]))
    both = cascade.guided_by(fresh)
    plain, weak = walked(cascade), walked(fresh)
    assert torch.equal(walked(both, weaker_scale=1.0), plain) and torch.equal(walked(both, weaker_scale=0.0), weak)
    assert (walked(both, weaker_scale=2.0) - weak).norm() > (plain - weak).norm() > 0
    assert not torch.equal(walked(both), plain)  # 1.5, where there is a weaker model
    assert cascade.stages[0].weaker is None


def _other(stage):
    backbone = copy.deepcopy(stage.backbone)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.mul_(0.7)
    return replace(stage, backbone=backbone)


def test_guidance_that_nothing_reads_or_that_the_model_cannot_do_is_refused(cascade, configs, learned):
    with pytest.raises(ValueError, match="weaker_scale needs a weaker model; name one, or leave it out; got 2"):
        cascade.stream(Request(TALK, guidance={"weaker_scale": 2.0}))
    with pytest.raises(ValueError, match="history_scale needs something that is known of the clip"):
        cascade.stream(Request(TALK, guidance={"history_scale": 1.5}))
    small = of(learned("base", replace(configs["base"], process="cosine")))
    with pytest.raises(ValueError, match="must have the process of the model, rectified_flow, got cosine; try an"):
        cascade.guided_by(small)


def test_numbers_condition_a_clip_and_only_as_many_as_the_model_takes(configs, learned):
    config = configs["base"]
    cascade = of(learned("base", replace(config, backbone=replace(config.backbone, numbers=2))))
    plain, zero, other = (
        cascade.sample(Request(numbers=numbers)) for numbers in (None, torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    )
    assert torch.equal(plain, zero) and not torch.equal(plain, other)
    with pytest.raises(ValueError, match="this model takes 2 numbers, got 3; give as many, or none"):
        cascade.stream(Request(numbers=torch.zeros(1, 1, 3)))


@pytest.mark.parametrize("name", ["", "../../weights", "a/b", "base.tar", "é"])
def test_a_stage_cannot_be_named_like_a_path(configs, name):
    with pytest.raises(ValueError, match="a stage's name must be made of letters, digits, _ and -"):
        CascadeConfig(name="toy", stages={name: configs["base"]})


def test_a_cascade_without_stages_is_refused():
    with pytest.raises(ValueError, match="a cascade must have a stage, got none; try one named base"):
        CascadeConfig(name="toy", stages={})


def test_what_a_cascade_cannot_do_is_refused_before_anything_runs(cascade, moving):
    with pytest.raises(ValueError, match="a stage must be one of base, temporal_sr, spatial_sr; got 'sr2'"):
        cascade.stream(Request(TALK, until="sr2"))
    with pytest.raises(ValueError, match="upscaling takes super-resolution stages, got base"):
        cascade.upscale(iter([moving(3)]), stages=["base"], fps=6.0)
    above: tuple[Stage, ...] = cascade.stages[1:]
    with pytest.raises(ValueError, match="generating needs a base stage first, this cascade begins with temporal_sr"):
        replace(cascade, stages=above).stream(Request(TALK))


def test_events_of_one_stage_end_a_video_of_that_stage(cascade):
    events: list[SegmentStep] = list(cascade.stream(Request(TALK)))
    for stage in cascade.stages:
        video = torch.cat(list(finished(iter(events), stage.name)), dim=2)
        assert torch.equal(video, cascade.sample(Request(TALK, until=stage.name)))


# clips that go on from given frames


@pytest.fixture
def knowing(configs, learned) -> Cascade:
    """The toy cascade, whose base can be given up to 3 first frames."""
    base = replace(configs["base"], task=Base(known=3), backbone=replace(configs["base"].backbone, low_res_channels=4))
    return of(*(learned(name, config) for name, config in {**configs, "base": base}.items()))


def first(given: Tensor) -> tuple[Known]:
    """Given as the first frames of the base's rate."""
    return (Known(video=given, fps=6.0),)


def test_a_cascade_goes_on_from_given_frames_through_all_stages(knowing, moving):
    given = moving(3, 16, 16, clips=2)
    out = knowing.sample(Request((None, None), known=first(given), until="base"))
    assert torch.equal(out[:, :, :3], given)
    longer = knowing.sample(Request((None, None), known=first(given), until="temporal_sr"))
    assert torch.equal(longer[:, :, :5:2], given)  # twice the frames; the given ones stay
    alone = knowing.sample(Request(known=first(given[1:]), names=("1",), until="base"))
    assert (alone - out[1:]).abs().max() < 0.05  # a clip does not depend on its neighbours but for rounding
    assert knowing.sample(Request(known=first(given[:1]))).shape[-1] == 32


def test_frames_given_once_are_given_to_every_clip(knowing, moving):
    given = moving(2, 16, 16)
    out = knowing.sample(Request(count=2, known=first(given), until="base"))
    assert torch.equal(out[:, :, :2], given.expand(2, -1, -1, -1, -1)) and not torch.equal(out[0], out[1])


@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_base_that_cannot_be_told_keeps_what_is_given_all_the_same(cascade, knowing, moving, count):
    given = moving(8, 16, 16)[:, :, :count]
    for one in (cascade, knowing):
        out = one.sample(Request(known=first(given), until="base"))
        assert torch.equal(out[:, :, :count], given)
        assert not torch.equal(out, one.sample(Request(until="base")))


def test_what_is_given_is_kept_in_every_stage_as_large_as_it_is(knowing, moving):
    """A video at the finished rate and size: its own pixels come out, and the stages below see it made small."""
    given = moving(5, 32, 32)
    out = knowing.sample(Request(known=(Known(video=given, fps=12.0, start=0.5),)))  # frames 6 to 10 of 15
    assert torch.equal(out[:, :, 6:11], given)
    small = knowing.sample(Request(known=(Known(video=given, fps=12.0, start=0.5),), until="base"))
    assert torch.equal(small[:, :, 3:6], resize(given, 16, 16, "area")[:, :, ::2])
    free = knowing.sample(Request())
    assert not torch.equal(out[:, :, 6:11], free[:, :, 6:11])


def test_a_part_of_the_picture_is_kept_and_the_rest_is_made(knowing, moving):
    video, mask = moving(15, 32, 32), torch.zeros(1, 1, 15, 32, 32)
    mask[..., :16, :] = 1.0
    out = knowing.sample(Request(known=(Known(video=video, mask=mask, fps=12.0),)))
    assert torch.equal(out[..., :16, :], video[..., :16, :]) and not torch.equal(out[..., 16:, :], video[..., 16:, :])
    soft = knowing.sample(Request(known=(Known(video=video, mask=mask / 2, fps=12.0),)))
    assert (soft - video)[..., :16, :].abs().mean() < (knowing.sample(Request()) - video)[..., :16, :].abs().mean()


def test_a_clip_begun_from_a_video_begins_there_with_as_much_noise_as_strength(knowing, moving, monkeypatch):
    video, seen = moving(15, 32, 32), []
    start = Known(video=video, mask=torch.zeros(1, 1, 15, 1, 1), fps=12.0)
    small = resize(video, 16, 16, "area")[:, :, ::2]
    forward = type(knowing.stages[0].backbone).forward

    def spy(self: nn.Module, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append((float(t.max()), float((x_t - (1 - t.max()) * small).std())))
        return forward(self, x_t, t, condition)

    monkeypatch.setattr(type(knowing.stages[0].backbone), "forward", spy)
    for strength in (0.25, 0.5, 1.0):
        seen.clear()
        knowing.sample(Request(known=(start,), strength=strength, until="base", quality="best"))
        assert seen[0] == pytest.approx((strength, strength), rel=0.05)
    with pytest.raises(ValueError, match=r"a strength of 0\.5 needs a video to begin from, got none"):
        knowing.sample(Request(strength=0.5))
    with pytest.raises(ValueError, match="must not be longer than it, got 16 frames of a video that has 8 at 6"):
        knowing.sample(Request(known=(start,), strength=0.5, until="base", frames=16))


@pytest.mark.parametrize(("frames", "covered"), [(6, 3), (15, 8), (14, 7)])
def test_a_clip_begun_from_a_video_may_be_as_long_as_it_though_the_base_makes_more(
    knowing, moving, monkeypatch, frames, covered
):
    """The base makes 8 frames at least; beyond those that the video covers it begins from the last of them."""
    video, seen = moving(frames, 32, 32), []
    start = Known(video=video, mask=torch.zeros(1, 1, frames, 1, 1), fps=12.0)
    small = resize(video, 16, 16, "area")[:, :, ::2][:, :, [min(frame, covered - 1) for frame in range(8)]]
    forward = type(knowing.stages[0].backbone).forward

    def spy(self: nn.Module, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if x_t.shape == small.shape:  # the base's
            seen.append((x_t - (1 - t.max()) * small).std(dim=(0, 1, 3, 4)))
        return forward(self, x_t, t, condition)

    monkeypatch.setattr(type(knowing.stages[0].backbone), "forward", spy)
    out = knowing.sample(Request(known=(start,), strength=0.25, frames=frames))
    assert out.shape == video.shape and seen[0] == pytest.approx(torch.full((8,), 0.25), rel=0.1)
    with pytest.raises(ValueError, match=f"got {frames + 1} frames of a video that has {frames} at 12"):
        knowing.sample(Request(known=(start,), strength=0.5, frames=frames + 1))


# clips of any length


@pytest.mark.parametrize("frames", [16, 17, 41])
def test_a_long_clip_is_made_in_windows_that_each_know_what_came_before(knowing, frames):
    events = list(knowing.stream(Request(until="base", frames=frames)))
    parts = [event for event in events if event.video is not None]
    assert [frame for part in parts for frame in part.frames] == list(range(frames)) and len(parts) > 1
    assert torch.equal(
        torch.cat([part.video for part in parts], dim=2)[:, :, :8], knowing.sample(Request(until="base"))
    )


def test_a_loop_ends_where_it_begins(knowing):
    out = knowing.sample(Request(loop=True, frames=14, until="temporal_sr"))
    assert out.shape[2] == 14
    around = knowing.sample(Request(loop=True, frames=7, until="base"))
    assert around.shape[2] == 8 and torch.equal(around[:, :, 7], around[:, :, 0])
    with pytest.raises(ValueError, match="a loop must have a multiple of 2 frames, got 15; try 14"):
        knowing.sample(Request(loop=True, frames=15))


def test_a_clip_without_an_end_goes_on_for_as_long_as_it_is_read(knowing):
    videos = finished(knowing.stream(Request(seconds=math.inf)), "spatial_sr")
    assert sum(next(videos).shape[2] for _ in range(5)) > 15


def test_another_prompt_begins_where_it_is_asked_for(configs, learned):
    told = []

    def captions(self: Stage, captions: Sequence[str | None], **others: object) -> Condition:
        told.append(tuple(captions))
        return plain(self, captions, **others)

    plain = Stage.condition
    one = of(*(learned(name, config) for name, config in configs.items()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "condition", captions)
        one.sample(Request("a", until="base", frames=16, prompts_at=((1.0, "b"), (2.0, None))))
    assert told[0] == ("a",) and told[-1] == (None,) and ("b",) in told


# clips of another size


BUCKETS = (
    Bucket(frames=4, height=16, width=16),
    Bucket(frames=4, height=8, width=24),
    Bucket(frames=16, height=24, width=8),
    Bucket(frames=12, height=24, width=8),
)


@pytest.fixture
def bucketed(configs, learned) -> Cascade:
    """8 frames at 16 x 16 -> 15 -> 32 x 32, with a base that was trained on other shapes as well."""
    base = replace(configs["base"], task=Base(buckets=BUCKETS))
    return of(*(learned(name, config) for name, config in {**configs, "base": base}.items()))


@pytest.mark.parametrize(
    ("size", "base", "made"),
    [
        ((32, 32), (8, 16, 16), (15, 32, 32)),  # its own, though a shorter bucket has the same size
        ((16, 48), (4, 8, 24), (7, 16, 48)),
        pytest.param((48, 16), (16, 24, 8), (30, 48, 16), marks=pytest.mark.slow),  # the longer of two
    ],
)
def test_a_clip_of_another_size_lasts_as_long_as_the_base_was_trained_at_it(bucketed, size, base, made):
    sized = bucketed.sized(*size)
    events = list(sized.stream(Request()))
    worked = [tuple(event.step.x.shape[2:]) for event in events if event.stage is sized.stages[0]]
    assert set(worked) == {base}  # the base never works at a shape that it has not seen
    video = torch.cat(list(finished(iter(events), "spatial_sr")), dim=2)
    assert video.shape[2:] == made and torch.equal(bucketed.sample(Request(size=size)), video)
    assert bucketed.sample(Request(size=size, frames=5)).shape[2] == 5


def test_the_cascade_itself_stays_as_it_is(bucketed):
    before = bucketed.sample(Request())
    bucketed.sized(16, 48)
    assert bucketed.sample(Request()).equal(before)
    assert bucketed.sample(Request(size=(32, 32))).equal(before)
    assert bucketed.sample(Request(size=(16, 48))).shape != before.shape


def test_a_size_that_was_not_trained_is_refused_with_those_that_were(bucketed):
    with pytest.raises(ValueError, match="got 20x20; try one of 48x16, 32x32, 16x48"):
        bucketed.stream(Request(size=(20, 20)))


# real videos, in chunks, through the stages above the base


def chunked(video: Tensor, size: int) -> Iterator[Tensor]:
    return iter(video.split(size, dim=2))


def upscaled(
    cascade: Cascade, video: Tensor, size: int, stages: tuple[str, ...] = ("temporal_sr", "spatial_sr")
) -> Tensor:
    events = cascade.upscale(chunked(video, size), stages=stages, fps=6.0)
    return torch.cat(list(finished(events, stages[-1])), dim=2)


@pytest.mark.parametrize("stages", [("temporal_sr", "spatial_sr"), *examples([], [("temporal_sr",), ("spatial_sr",)])])
def test_a_real_video_comes_out_the_same_however_it_comes_in(cascade, moving, stages):
    frames = 20 if "temporal_sr" in stages else 37  # more than one segment of every stage
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


def test_a_long_video_in_segments_of_32_is_the_video_at_once(cascade, moving, float32):
    cascade = sampled(cascade, "spatial_sr", Sampling(steps=2))
    video = moving(70)
    found = upscaled(cascade, video, 16, ("spatial_sr",))
    stage = cascade.stage("spatial_sr")
    condition = stage.condition([None], frames=70, fps=6.0)
    sampling = replace(stage.config.fast, low_res_noise=0.0)
    *_, last = stage.sample(condition, video, (16, 16), range(70), [Key(0, "sample", "0")], sampling)
    assert (found - last.x).abs().max() < 1e-4 < STEP  # float32
    stage.backbone.halo = (0, stage.backbone.halo[1])
    assert (upscaled(cascade, video, 16, ("spatial_sr",)) - last.x).abs().max() > 10 * STEP


def test_a_real_video_is_trusted_and_a_generated_one_is_not(configs, fresh, moving):
    video = moving(5)
    out = upscaled(of(fresh("spatial_sr", configs["spatial_sr"])), video, 2, ("spatial_sr",))
    assert torch.equal(out, resize(video, 16, 16))  # no noise is put in


def test_frames_go_out_before_the_last_one_has_come_in(cascade, moving):
    taken = 0

    def camera() -> Iterator[Tensor]:
        nonlocal taken
        for frame in moving(100, 16, 16).split(1, dim=2):
            taken += 1
            yield frame

    events = cascade.upscale(camera(), stages=("temporal_sr", "spatial_sr"), fps=6.0)
    next(finished(events, "spatial_sr"))
    assert taken < 30  # 32 frames and a margin of one, of twice as many


def test_a_long_video_is_never_held_whole(cascade, moving):
    events = cascade.upscale(chunked(moving(200), 4), stages=("spatial_sr",), fps=6.0)
    held = [event is None or events.gi_frame.f_locals["held"] for event in events]
    most = max(one.video.shape[2] for one in held if one.video is not None)
    assert most <= 32 + 2 * 1 + 4  # a segment, its margins, and what the last chunk brought too much
    assert held[-1].start > 100


def test_frames_of_a_real_video_are_events_too(cascade, moving):
    events = list(cascade.upscale(chunked(moving(5, 16, 16), 2), stages=("temporal_sr",), fps=6.0))
    real = [event for event in events if event.stage is None]
    assert [event.frames for event in real] == [range(2), range(2, 4), range(4, 5)]
    assert all(event.step is None and event.video is not None and event.total is None for event in real)

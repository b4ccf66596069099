from dataclasses import replace
from itertools import groupby

import pytest
import torch

from framefall.cascade.cascade import Cascade, CascadeConfig, Event, _frame_counts, finished
from framefall.cascade.request import Request
from framefall.cascade.stage import Sampling, Stage

STEP = 1 / 255  # half of a pixel's step in -1..1
TALK, DOGS = "a man talks in a moving car", "two dogs"


def sampled(cascade: Cascade, name: str, sampling: Sampling) -> Cascade:
    """The same cascade, with one stage sampled otherwise."""
    stages = [
        replace(stage, config=replace(stage.config, fast=sampling)) if stage.name == name else stage
        for stage in cascade.stages
    ]
    return replace(cascade, stages=tuple(stages))


@pytest.mark.parametrize("frames", [1, 2, 7, 15, 16, 17, 40])
def test_the_number_of_frames_is_met_exactly(cascade, frames):
    video = cascade.sample(Request(TALK, frames=frames))
    assert video.shape == (1, 3, frames, 32, 32) and video.isfinite().all()


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


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_stages_below_make_enough_for_every_number_of_frames(configs, learned, factor):
    """On paper, for many more numbers than could be run: the last given frame carries at most its own interval."""
    base = learned("base", configs["base"])
    temporal = learned("temporal_sr", replace(configs["temporal_sr"], factor=factor))
    spatial = learned("spatial_sr", configs["spatial_sr"])
    for frames in range(1, 131):
        below, middle, above = _frame_counts((base, temporal, spatial), frames)
        assert above == middle == frames
        assert below * factor >= frames
        if below != 8:  # the last frame lies between two given ones, and none is given beyond need
            assert frames - 1 <= (below - 1) * factor < frames + factor - 1
        (window,) = [base.task(below).window(0, 0, True)]
        assert len(window.keep) == below


@pytest.mark.parametrize("frames", [0, -3])
def test_no_frames_are_refused(cascade, frames):
    with pytest.raises(ValueError, match=f"frames must be at least 1, got {frames}; try 60"):
        cascade.stream(Request(TALK, frames=frames))


def test_every_step_of_every_stage_is_there_in_order(cascade):
    events = list(cascade.stream(Request((TALK, None), frames=15)))
    names = [event.stage.name for event in events]
    assert [name for name, _ in groupby(names)] == ["base", "temporal_sr", "spatial_sr"]
    for stage in cascade.stages:
        own = [event for event in events if event.stage is stage]
        windows = [list(group) for _, group in groupby(own, key=lambda event: event.frames)]
        covered = [frame for window in windows for frame in window[0].frames]
        assert covered == list(range(8 if stage.name == "base" else 15))  # each frame exactly once
        for window in windows:
            steps = [event.step for event in window]
            assert [step.index for step in steps] == list(range(stage.config.fast.steps))
            assert {step.total for step in steps} == {stage.config.fast.steps} and steps[-1].t == 0
            assert [event.video is None for event in window] == [True] * (len(window) - 1) + [False]
            assert window[-1].video.shape[:3] == (2, 3, len(window[0].frames))


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


@pytest.mark.parametrize("until", ["base", None])
def test_a_clip_does_not_depend_on_its_neighbours(cascade, float32, until):
    captions = [TALK, None, DOGS]
    together = cascade.sample(Request(tuple(captions), until=until))
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
    strong = Sampling(guidance_scale=3.0, guidance_interval=(0.0, 1.0))
    guided = sampled(cascade, "base", strong).sample(Request(TALK, until="base"))
    assert guided.isfinite().all()
    assert (guided - cascade.sample(Request(TALK, until="base"))).abs().mean() > 1e-3


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
    with pytest.raises(ValueError, match="quality must be fast or best, got 'good'"):
        cascade.stream(Request(TALK, quality="good"))
    with pytest.raises(ValueError, match="upscaling takes super-resolution stages, got base"):
        cascade.upscale(iter([moving(3)]), stages=["base"], fps=6.0)
    above: tuple[Stage, ...] = cascade.stages[1:]
    with pytest.raises(ValueError, match="generating needs a base stage first, this cascade begins with temporal_sr"):
        replace(cascade, stages=above).stream(Request(TALK))


def test_events_of_one_stage_end_a_video_of_that_stage(cascade):
    events: list[Event] = list(cascade.stream(Request(TALK)))
    for stage in cascade.stages:
        video = torch.cat(list(finished(iter(events), stage)), dim=2)
        assert torch.equal(video, cascade.sample(Request(TALK, until=stage.name)))

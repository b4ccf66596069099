"""What the three kinds of stages make: training examples, what is known beforehand, and the plan of long work."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.known import Known
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base, Segment, SpatialSR, TaskKind, TemporalSR
from framefall.config import from_dict, from_json, to_dict, to_json
from framefall.data.buckets import Bucket
from framefall.diffusion.process import RectifiedFlow
from framefall.video import resize

FACTORS = [2, 3, 4, 8]
STEP = 1 / 255  # half of a pixel's step in -1..1
KINDS = {"base": Base, "temporal_sr": TemporalSR, "spatial_sr": SpatialSR}


def plan(
    task: TaskKind, arriving: Iterator[int], *, frames: int = 16, total: int | None = None, halo: int = 0
) -> list[Segment]:
    """Every segment, in the order in which a cascade that is fed so many frames at a time asks for them."""
    segments: list[Segment] = []
    made = have = 0
    for more in (*arriving, None):
        have += more or 0
        while segment := task.next_segment(made, have, more is None, frames=frames, total=total, halo=halo):
            segments.append(segment)
            assert more is None or segment.inputs.stop <= have  # nothing is taken that is not there
            made = segment.keep.stop
            assert len(segments) < 1000
    return segments


def handed_on(segments: list[Segment]) -> list[int]:
    return [frame for segment in segments for frame in segment.keep]


def given_for(total: int, factor: int) -> int:
    return -(-(total - 1) // factor) + 1


@pytest.mark.parametrize("intervals", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("factor", FACTORS)
def test_every_frame_between_is_made_exactly_once(factor, intervals):
    task = TemporalSR(factor=factor, intervals=intervals)
    for total in range(1, 131):
        for more in (1, 7, 200):  # frames come one by one, in handfuls, all at once
            given = given_for(total, factor)
            segments = plan(task, iter([more] * (given // more) + [given % more]), total=total)
            assert handed_on(segments) == list(range(total))
            for segment in segments:
                assert len(segment.frames) == intervals * factor == (len(segment.inputs) - 1) * factor
                assert segment.frames.start == segment.inputs.start * factor + 1  # after the first given frame
                assert set(segment.keep) - {0} <= set(segment.frames)


@pytest.mark.parametrize("factor", FACTORS)
def test_without_a_number_as_many_frames_are_made_as_the_given_ones_span(factor):
    for given in range(1, 40):
        for chunks in ([given], [1] * given, [given - 1, 1]):
            segments = plan(TemporalSR(factor=factor, intervals=3), iter(chunks))
            assert handed_on(segments) == list(range((given - 1) * factor + 1))


@pytest.mark.parametrize("factor", FACTORS)
def test_given_frames_carry_on_a_little_past_their_end(factor):
    """16 frames at 6 a second last as long as 64 at 24, of which the last three lie past the last given one."""
    segments = plan(TemporalSR(factor=factor), iter([16]), total=16 * factor)
    assert handed_on(segments) == list(range(16 * factor))


def test_the_same_plan_whether_frames_come_slowly_or_at_once():
    for task, given, halo in ((TemporalSR(), 33, 0), (SpatialSR(factor=2, at_once=8), 61, 3)):
        slow, fast = plan(task, iter([1] * given), halo=halo), plan(task, iter([given]), halo=halo)
        assert slow == fast and len(fast) > 2


@pytest.mark.parametrize(("at_once", "halo"), [(1, 0), (4, 0), (4, 2), (8, 3), (32, 4), (3, 5)])
def test_every_enlarged_frame_is_made_exactly_once(at_once, halo):
    for total in range(1, 131):
        chunks = [5] * (total // 5) + [total % 5]
        segments = plan(SpatialSR(at_once=at_once), iter(chunks), total=total, halo=halo)
        assert handed_on(segments) == list(range(total))
        for segment in segments:
            assert segment.inputs == segment.frames and len(segment.keep) <= at_once
            # a margin on both sides, except where the video ends
            assert segment.frames == range(max(0, segment.keep.start - halo), min(total, segment.keep.stop + halo))


def test_a_segment_waits_for_its_margin():
    def following(made: int, have: int, ended: bool) -> Segment | None:
        task = SpatialSR(factor=2, at_once=4)
        return task.next_segment(made, have, ended, frames=3, total=None, halo=2)

    assert following(0, 5, False) is None  # a sixth may come
    assert following(0, 6, False) == Segment(range(6), range(6), range(4))
    assert following(0, 5, True) == Segment(range(5), range(5), range(4))
    assert following(4, 5, True) == Segment(range(2, 5), range(2, 5), range(4, 5))
    assert following(5, 5, True) is None


def test_a_segment_waits_for_its_last_given_frame():
    def following(made: int, have: int, ended: bool) -> Segment | None:
        task = TemporalSR(factor=2, intervals=3)
        return task.next_segment(made, have, ended, frames=15, total=None, halo=0)

    assert following(0, 3, False) is None
    assert following(0, 4, False) == Segment(range(4), range(1, 7), range(7))
    assert following(7, 4, False) is None and following(7, 4, True) is None
    assert following(7, 5, True) == Segment(range(3, 7), range(7, 13), range(7, 9))


def test_16_frames_double_to_32_without_a_seam_between_segments():
    """Twice as many frames from the same seconds: frame 2 j is frame j, and the last one goes on."""
    segments = plan(TemporalSR(factor=2), iter([16]), total=32)
    assert handed_on(segments) == list(range(32))
    assert [segment.inputs for segment in segments] == [range(6), range(5, 11), range(10, 16), range(15, 21)]


@pytest.mark.parametrize("total", [60, 61])
def test_16_frames_make_60_or_61(total):
    segments = plan(TemporalSR(), iter([16]), total=total)
    assert handed_on(segments) == list(range(total))
    assert len(segments) == 3 and segments[-1].inputs == range(10, 16)  # not one frame past the given ones


# a long video in segments is the video at once


def in_segments(
    run: Callable[..., Tensor], stage: Stage, low: Tensor, sampling: Sampling, halo: int | None = None
) -> Tensor:
    """As a cascade does it: segment after segment, margins cut off; with another margin where one is given."""

    def following(made: int) -> Segment | None:
        if halo is None:
            return stage.next_segment(made, low.shape[2], True, total=None, sampling=sampling)
        return stage.task.next_segment(made, low.shape[2], True, frames=3, total=None, halo=halo)

    made, parts = 0, []
    while (segment := following(made)) is not None:
        video = run(stage, low[:, :, segment.inputs.start : segment.inputs.stop], segment.frames, sampling)
        parts.append(video[:, :, segment.keep.start - segment.frames.start : segment.keep.stop - segment.frames.start])
        made = segment.keep.stop
    assert len(parts) > 2
    return torch.cat(parts, dim=2)


@pytest.fixture
def four(configs, learned) -> Stage:
    """The toy spatial stage, four frames of which are sampled at a time."""
    return learned("spatial_sr", replace(configs["spatial_sr"], task=SpatialSR(factor=2, bridge=0.35, at_once=4)))


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm++2m", "ancestral"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_video_in_segments_is_the_video_at_once(run, four, moving, float32, steps, sampler):
    sampling, low = Sampling(steps=steps, sampler=sampler), moving(14)
    whole = run(four, low, range(14), sampling)
    parts = in_segments(run, four, low, sampling)
    # float32; the stated aim is half of a pixel's step, 1 / 255
    assert (parts - whole).abs().max() < 1e-4 < STEP
    assert (in_segments(run, four, low, sampling, halo=0) - whole).abs().max() > 10 * STEP


def test_a_margin_one_frame_too_narrow_shows(run, configs, learned, moving, float32):
    """Heun asks twice a step, each time about its own answer: the margin counts questions, not steps."""
    stage = learned("spatial_sr", replace(configs["spatial_sr"], task=SpatialSR(factor=2, at_once=4)))
    low, sampling, halo = moving(12), Sampling(steps=2, sampler="heun"), 3 * stage.backbone.halo[0]
    assert stage.next_segment(0, 12, True, total=None, sampling=sampling) == stage.task.next_segment(
        0, 12, True, frames=3, total=None, halo=halo
    )
    whole = run(stage, low, range(12), sampling)
    errors = [
        float((in_segments(run, stage, low, sampling, margin) - whole).abs().max()) for margin in (halo, halo - 1)
    ]
    assert errors[0] < 1e-4 and errors[1] > 10 * errors[0]


def test_segments_in_fast_arithmetic_differ_by_less_than_a_pixels_step(run, four, moving):
    sampling, low = Sampling(steps=2), moving(10)
    whole = run(four, low, range(10), sampling)
    assert (in_segments(run, four, low, sampling) - whole).abs().max() < STEP
    assert (in_segments(run, four, low, sampling, halo=0) - whole).abs().max() > STEP


def test_a_segment_is_32_frames_and_its_margin(spatial):
    for steps in (1, 2):
        margin = steps * spatial.backbone.halo[0]
        segment = spatial.next_segment(32, 100, True, total=70, sampling=Sampling(steps=steps))
        assert segment == Segment(*2 * [range(32 - margin, 64 + margin)], range(32, 64))
        assert spatial.next_segment(32, 63 + margin, False, total=70, sampling=Sampling(steps=steps)) is None


# training examples, and what is known beforehand


@pytest.mark.parametrize("factor", FACTORS)
def test_a_training_example_in_time_is_what_sampling_meets(factor, moving):
    task = TemporalSR(factor=factor, intervals=3)
    video = moving(task.example_frames(99))
    target, low = task.example(video)
    assert torch.equal(low, video[:, :, ::factor]) and torch.equal(target, video[:, :, 1:])
    known = task.conditioning(low, target.shape[2])
    assert known.known.whole_frames()[0].tolist() == 3 * [*(factor - 1) * [0.0], 1.0]
    assert torch.equal(known.known.kept(target), target)  # given frames are right where they stand
    assert not torch.equal(known.known.kept(target.roll(1, dims=2)), target.roll(1, dims=2))
    assert known.low_res.shape[1:3] == (task.low_res_channels(3), 3 * factor)


def parts(low_res: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    before, after, fraction = low_res.split((3, 3, 1), dim=1)
    return before, after, fraction


@pytest.mark.parametrize("factor", FACTORS)
def test_a_frame_between_knows_its_keyframes_and_how_far_it_is(factor, moving):
    low = moving(4, 16, 16)
    known = TemporalSR(factor=factor, intervals=3).conditioning(low, 3 * factor)
    before, after, fraction = parts(known.low_res)
    way = [(index % factor + 1) / factor for index in range(3 * factor)]
    torch.testing.assert_close(fraction[0, 0, :, 3, 3], torch.tensor(way))
    torch.testing.assert_close(known.prior, torch.lerp(before, after, fraction))
    assert torch.equal(after[:, :, factor - 1 :: factor], low[:, :, 1:])  # at its own moment nothing is moved


def test_a_still_video_has_no_motion_and_is_its_own_prior(moving):
    low = moving(1, 16, 16).expand(-1, -1, 4, -1, -1)
    known = TemporalSR(intervals=3).conditioning(low, 12)
    torch.testing.assert_close(known.prior, low[:, :, :1].expand_as(known.prior))


def test_motion_makes_a_better_prior_than_a_blend():
    task = TemporalSR(intervals=1)
    down, right = torch.arange(48)[:, None], torch.arange(48)
    f = torch.arange(5)[:, None, None]
    ball = torch.exp(-((right - 14 - 1.5 * f) ** 2 + (down - 24) ** 2) / 50) * 2 - 1
    truth, low = task.example(ball.expand(1, 3, -1, -1, -1))
    found = (task.conditioning(low, 4).prior - truth)[:, :, 1].abs().mean()
    blend = (torch.lerp(low[:, :, 0], low[:, :, 1], 0.5) - truth[:, :, 1]).abs().mean()
    assert found < 0.3 * blend


def test_corruption_reaches_what_is_seen_and_never_what_is_given(moving):
    low, task = moving(4, 16, 16), TemporalSR(factor=2, intervals=3)
    dirty = low + 0.3
    known, clean = task.conditioning(low, 6, dirty), task.conditioning(low, 6)
    assert torch.equal(known.known.video[:, :, 1::2], low[:, :, 1:])
    assert (known.prior - clean.prior).abs().min() > 0.1 and (known.low_res - clean.low_res).abs().max() > 0.2
    large = SpatialSR(factor=2).conditioning(low, 4, dirty)
    torch.testing.assert_close(large.prior, resize(dirty, 32, 32))


@pytest.mark.parametrize("factor", FACTORS)
def test_a_training_example_in_space_is_what_sampling_meets(factor, moving):
    video, task = moving(2, 24, 48), SpatialSR(factor=factor)
    target, low = task.example(video)
    assert torch.equal(target, video) and task.output_size(low) == (24, 48) and task.example_frames(2) == 2
    cell = video[..., factor : 2 * factor, :factor]
    torch.testing.assert_close(low[..., 1, 0], cell.mean((-2, -1)))
    known = task.conditioning(low, 2)
    assert known.low_res.shape == video.shape and known.known is None and torch.equal(known.prior, known.low_res)


def test_a_base_stage_knows_nothing_beforehand(moving):
    video = moving(2)
    assert Base().example(video)[0] is video and Base().example(video)[1] is None
    known = Base().conditioning(None, 2)
    assert known.low_res is None and known.prior is None and known.known is None
    assert Base().low_res_channels(3) == 0 and Base(known=1).low_res_channels(3) == 4


def frames_of(video: Tensor, places: Sequence[int]) -> Known:
    """Those frames of a video are known."""
    mask = torch.zeros(1, 1, video.shape[2], 1, 1)
    mask[:, :, places] = 1.0
    return Known(video=video, mask=mask)


def test_a_base_stage_that_is_given_frames_knows_them_and_where_they_are(moving):
    given = frames_of(moving(8), range(2))
    known = Base(known=3).conditioning(None, 8, known=given)
    assert known.known is given and known.prior is None and known.levels is None
    assert torch.equal(known.low_res[:, :3, :2], given.video[:, :, :2]) and not known.low_res[:, :, 2:].any()
    assert known.low_res[0, 3, :, 0, 0].tolist() == [1.0, 1.0, *6 * [0.0]]


@pytest.mark.parametrize(
    ("known", "places", "able"),
    [(0, [0], False), (3, [0], True), (3, [0, 1, 2], True), (3, [0, 1, 2, 3], False), (3, [1], False)]
    + [("any", places, True) for places in ([0], [7], [2, 5])],
)
def test_a_base_stage_is_told_only_what_it_was_trained_to_be_told(moving, known, places, able):
    told = Base(known=known).conditioning(None, 8, known=frames_of(moving(8), places))
    assert (told.low_res is not None) is able and told.known is not None


def test_frames_that_a_stage_is_told_of_have_time_0_and_no_noise(moving):
    given = frames_of(moving(8), [3])
    told = Base(known="any").conditioning(None, 8, known=given)
    x_t, t = told.applied(torch.full((1, 3, 8, 8, 8), 9.0), torch.tensor([0.5]), RectifiedFlow())
    assert t[0].tolist() == [0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5]
    assert torch.equal(x_t[:, :, 3], given.video[:, :, 3]) and (x_t[:, :, 4] == 9).all()
    first = Base(known=3).conditioning(None, 8, known=frames_of(moving(8), [0]))
    assert first.applied(x_t, torch.tensor([0.5]), RectifiedFlow())[1].tolist() == [0.5]


@pytest.mark.parametrize(
    ("task", "need"), [(TemporalSR(factor=2), "needs given frames"), (SpatialSR(factor=2), "needs a small video")]
)
def test_super_resolution_of_nothing_is_refused(task, need):
    with pytest.raises(ValueError, match=need):
        task.conditioning(None, 4)


def test_what_a_kind_has_no_use_for_is_absent_and_reads_as_nothing():
    """Whoever reads any task may ask for all of it; whoever writes one can set only what it has."""
    facts = "super_resolution", "crops", "time_factor", "space_factor", "bridge", "low_res_noise", "known", "buckets"
    found = {kind: tuple(getattr(make(), fact) for fact in facts) for kind, make in KINDS.items()}
    assert found == {
        "base": (False, False, 1, 1, None, 0.0, 0, ()),
        "temporal_sr": (True, False, 4, 1, None, 0.0, 0, ()),
        "spatial_sr": (True, True, 1, 4, None, 0.0, 0, ()),
    }
    own = {kind: {field.name for field in fields(make)} - {"kind"} for kind, make in KINDS.items()}
    shared = {"factor", "bridge", "spread", "low_res_noise", "relative_loss"}
    assert own == {
        "base": {"known", "motion", "buckets", "structure"},
        "temporal_sr": shared | {"intervals"},
        "spatial_sr": shared | {"at_once"},
    }


@pytest.mark.parametrize(
    "task",
    [
        Base(known=3, buckets=(Bucket(frames=4, height=8, width=8),)),
        Base(buckets="auto"),
        TemporalSR(factor=2, intervals=3, bridge=0.5, spread=0.2, low_res_noise=0.3, relative_loss=True),
        SpatialSR(factor=8, at_once=5),
    ],
)
def test_a_task_survives_the_config_that_it_stands_in(task, configs):
    values = to_dict(configs[task.kind])
    values["task"] = to_dict(task)
    if task.known:
        values["backbone"]["low_res_channels"] = task.low_res_channels(3)
    config = from_dict(StageConfig, values)
    assert config.task == task and type(config.task) is type(task)
    assert from_json(StageConfig, to_json(config)) == config


@pytest.mark.parametrize("name", KINDS)
def test_a_field_of_another_kind_is_refused(name, configs):
    values = to_dict(configs[name])
    for other in {"known", "factor", "intervals", "at_once"} - set(values["task"]):
        with pytest.raises(ValueError, match=f"{other}: Unexpected keyword argument"):
            from_dict(StageConfig, {**values, "task": {**values["task"], other: 2}})
    for kind in ("magic", None):
        with pytest.raises(ValueError, match="task"):
            from_dict(StageConfig, {**values, "task": {**values["task"], "kind": kind}})
    assert from_dict(StageConfig, values) == configs[name]  # the control


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: SpatialSR(factor=1), "factor must be at least 2, got 1; try 4"),
        (lambda: TemporalSR(factor=0), "factor must be at least 2, got 0; try 4"),
        (lambda: SpatialSR(bridge=0.0), r"bridge and spread must be above 0, got bridge=0\.0, spread=0\.1; try bri"),
        (lambda: SpatialSR(bridge=0.3, spread=0.0), r"bridge and spread must be above 0, got bridge=0\.3, spread=0\.0"),
        (lambda: TemporalSR(bridge=float("nan")), r"bridge and spread must be above 0, got bridge=nan"),
        (lambda: TemporalSR(intervals=0), "intervals must be at least 1, got 0; try 5"),
        (lambda: SpatialSR(at_once=0), "at_once must be at least 1, got 0; try 32"),
    ],
)
def test_work_that_cannot_be_done_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        make()
    assert "\n" not in str(refused.value)

"""A base stage that goes on from given first frames."""

from dataclasses import replace

import pytest
import torch

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.conditioning import Base, first_frames
from framefall.cascade.request import Request
from framefall.cascade.stage import Sampling, Stage
from framefall.diffusion.samplers import SAMPLERS
from framefall.recipes.registry import RECIPES

THREE = Sampling(steps=3)


@pytest.fixture
def knowing(configs, learned) -> Stage:
    """The toy base stage, which can be given up to 3 first frames."""
    config = configs["base"]
    return learned("base", replace(config, known=3, backbone=replace(config.backbone, low_res_channels=4)))


def test_first_frames_are_kept_the_rest_is_zero_and_a_channel_says_which(moving):
    video = moving(6, clips=3)
    shown = first_frames(video, torch.tensor([0, 2, 6]))
    assert shown.shape == (3, 4, 6, 8, 8)
    for clip, count in enumerate((0, 2, 6)):
        assert torch.equal(shown[clip, :3, :count], video[clip, :, :count])
        assert not shown[clip, :, count:].any()
        assert (shown[clip, 3, :count] == 1).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("given", [1, 3])
def test_given_frames_come_out_as_they_went_in_and_the_others_follow_from_them(run, knowing, moving, sampler, given):
    low = moving(given, 16, 16)
    sampling = replace(THREE, sampler=sampler)
    out = run(knowing, low, range(8), sampling)
    assert torch.equal(out[:, :, :given], low)
    assert out.isfinite().all()
    assert not torch.equal(out[:, :, given:], run(knowing, None, range(8), sampling)[:, :, given:])
    assert not torch.equal(out[:, :, given:], run(knowing, -low, range(8), sampling)[:, :, given:])


def test_a_longer_clip_can_be_asked_for(run, knowing, moving):
    low = moving(2, 16, 16)
    assert torch.equal(run(knowing, low, range(12), THREE)[:, :, :2], low)


def test_a_cascade_goes_on_from_given_frames_through_all_stages(configs, learned, knowing, moving):
    stages = (knowing, *(learned(name, configs[name]) for name in ("temporal_sr", "spatial_sr")))
    cascade = Cascade(config=CascadeConfig(name="toy", stages={s.name: s.config for s in stages}), stages=stages)
    given = moving(3, 16, 16, clips=2)
    out = cascade.sample(Request((None, None), given=given, until="base"))
    assert torch.equal(out[:, :, :3], given)
    longer = cascade.sample(Request((None, None), given=given, until="temporal_sr"))
    assert torch.equal(longer[:, :, :5:2], given)  # twice the frames; the given ones stay
    alone = cascade.sample(Request(given=given[1:], names=("1",), until="base"))
    assert (alone - out[1:]).abs().max() < 0.05  # a clip does not depend on its neighbours but for rounding
    assert cascade.sample(Request(given=given[:1])).shape[-1] == 32


@pytest.mark.parametrize("count", [0, 4])
def test_more_frames_than_a_stage_was_trained_with_are_refused(knowing, moving, count):
    cascade = Cascade(config=CascadeConfig(name="toy", stages={"base": knowing.config}), stages=(knowing,))
    given = moving(4, 16, 16)[:, :, :count]
    with pytest.raises(ValueError, match=f"up to 3 given frames, got {count}"):
        cascade.sample(Request(given=given))


def test_a_stage_that_knows_nothing_refuses_given_frames(cascade, moving):
    with pytest.raises(ValueError, match="up to 0 given frames, got 1"):
        cascade.sample(Request(given=moving(1, 16, 16)))
    with pytest.raises(ValueError, match="up to 0 first frames, got 1"):
        Base(8).show(moving(1))


@pytest.mark.parametrize(("task", "known"), [("base", 8), ("base", -1), ("temporal_sr", 1)])
def test_known_frames_of_the_wrong_kind_or_number_are_refused(configs, task, known):
    with pytest.raises(ValueError, match=f"got {known} for {task}; try 3"):
        replace(configs[task], known=known)


def test_the_backbone_must_take_the_known_frames(configs):
    with pytest.raises(ValueError, match="a backbone that is shown 4 channels of known frames, got 0"):
        replace(configs["base"], known=2)


def test_the_recipe_for_worlds_knows_three_frames():
    assert RECIPES["worlds"]().stages["base"].stage.known == 3

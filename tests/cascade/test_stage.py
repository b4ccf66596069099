from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import frame_seconds
from framefall.cascade.stage import Sampling
from framefall.diffusion.process import PROCESSES
from framefall.diffusion.samplers import SAMPLERS
from framefall.models.backbone import Condition
from framefall.models.convnet import ConvNetConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.transformer import TransformerConfig
from framefall.noise import Key
from framefall.recipes.registry import RECIPES
from framefall.video import VideoShape

KEY = Key(0, "sample", "0")
ONE = Sampling(steps=1, low_res_noise=0.0)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_given_frames_stay_exactly_as_they_are(run, temporal, moving, sampler, guidance):
    low = moving(4, 16, 16, clips=2)
    sampling = Sampling(steps=3, sampler=sampler, guidance_scale=guidance, guidance_interval=(0.0, 1.0))
    out = run(temporal, low, range(1, 7), sampling, (KEY, Key(0, "sample", "1")))
    assert torch.equal(out[:, :, 1::2], low[:, :, 1:])
    assert (out[:, :, ::2] - low[:, :, 1:]).abs().max() > 0.1  # frames between are not given


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["base", "temporal_sr", "spatial_sr"])
def test_every_sampler_runs_through_every_stage(run, configs, learned, moving, name, sampler):
    stage = learned(name, configs[name])
    low = {"base": None, "temporal_sr": moving(4, 16, 16), "spatial_sr": moving(6)}[name]
    frames = range(8) if low is None else range(1, 7)
    out = run(stage, low, frames, Sampling(steps=4, sampler=sampler))
    assert out.isfinite().all() and out.shape[2] == len(frames)
    if sampler not in ("euler", "ddim"):
        assert not torch.equal(out, run(stage, low, frames, Sampling(steps=4)))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("prediction", ["x0", "velocity"])
def test_every_process_and_prediction_runs_through_a_stage(run, configs, learned, process, prediction):
    config = replace(configs["base"], process=process, prediction=prediction)
    out = run(learned("base", config), None, range(8), Sampling(steps=3, sampler="dpm++2m"))
    assert out.isfinite().all()


def test_a_sample_is_as_many_steps_as_were_asked_for(base):
    seconds = frame_seconds(8, torch.tensor([6.0]))
    steps = list(base.sample(Condition(seconds=seconds), None, (16, 16), range(8), [KEY], Sampling(steps=5)))
    assert [step.index for step in steps] == list(range(5)) and {step.total for step in steps} == {5}
    assert [step.t for step in steps] == sorted((step.t for step in steps), reverse=True) and steps[-1].t == 0
    assert torch.equal(steps[-1].x, steps[-1].x0) and not torch.equal(steps[0].x, steps[0].x0)


def test_nothing_that_is_sampled_keeps_gradients(run, base, temporal, spatial, moving):
    for stage, low, frames in (
        (base, None, range(8)),
        (temporal, moving(4, 16, 16), range(1, 7)),
        (spatial, moving(3), range(3)),
    ):
        assert not run(stage, low, frames, ONE).requires_grad


def test_gradients_flow_where_a_stage_is_trained(spatial):
    x_t, prior = torch.randn(2, 2, 3, 2, 8, 8, generator=torch.Generator().manual_seed(4))
    condition = Condition(seconds=torch.zeros(2, 2), low_res=prior, prior=prior)
    spatial.x0(x_t, torch.full((2,), 0.5), condition).square().mean().backward()
    assert all(p.grad is not None for name, p in spatial.backbone.named_parameters() if not name.startswith("low_res"))


def test_guidance_moves_a_sample_away_from_what_no_caption_says(base):
    text = torch.randn(1, 24, base.config.backbone.text_dim, generator=torch.Generator().manual_seed(5))
    told = Condition(
        seconds=frame_seconds(8, torch.tensor([6.0])), text=text, text_mask=torch.ones(1, 24, dtype=torch.bool)
    )

    def sample(condition: Condition, scale: float) -> Tensor:
        sampling = Sampling(steps=2, guidance_scale=scale, guidance_interval=(0.0, 1.0), guidance_rescale=0.0)
        *_, last = base.sample(condition, None, (16, 16), range(8), [KEY], sampling)
        return last.x

    plain, guided, null = sample(told, 1.0), sample(told, 4.0), sample(told.without_text(), 1.0)
    assert torch.equal(sample(told, 0.0), null)  # all the way back
    assert (guided - null).norm() > 1.5 * (plain - null).norm() > 0
    assert torch.equal(sample(told.without_text(), 4.0), null)  # where nothing is said nothing is stronger


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_stage_takes_any_number_of_channels(run, configs, learned, moving, channels):
    networks = {
        "base": TransformerConfig(channels=channels, dim=16, depth=1, heads=1, patch=(2, 4, 4)),
        "temporal_sr": InterpolatorConfig(
            channels=channels, trunk=TransformerConfig(dim=16, depth=1, heads=1, patch=(2, 4, 4))
        ),
        "spatial_sr": ConvNetConfig(channels=channels, dim=8, depth=1, unshuffle=2),
    }
    for name, network in networks.items():
        shape = replace(configs[name].shape, channels=channels)
        stage = learned(name, replace(configs[name], shape=shape, backbone=network))
        low = None if name == "base" else moving(4, 16, 16)[:, :1].expand(-1, channels, -1, -1, -1)
        frames = range(8) if low is None else range(1, 7) if name == "temporal_sr" else range(4)
        assert run(stage, low, frames, ONE).shape[:3] == (1, channels, len(frames))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_tasks_of_every_recipe_hand_their_frames_on(recipe):
    """Frame rates and counts of neighbouring stages fit: a cascade shows one and the same stretch of time."""
    configs = {name: part.stage for name, part in RECIPES[recipe]().stages.items()}
    assert list(configs) == ["base", "temporal_sr", "spatial_sr"]
    base, temporal, spatial = (configs[name] for name in configs)
    assert temporal.shape.fps == base.shape.fps * temporal.factor == spatial.shape.fps
    assert temporal.shape.frames <= base.shape.frames * temporal.factor
    assert (temporal.shape.height, temporal.shape.width) == (base.shape.height, base.shape.width)


WRONG = [
    ({"factor": 2}, "factor must be 1 for a base stage and above 1 for the others, got 2 for base"),
    ({"bridge": 0.5}, r"a base stage has no prior to bridge from, got bridge=0\.5; leave it out"),
    ({"prediction": "noise"}, "a prediction must determine x0 at t = 1, got 'noise'"),
    ({"process": "magic"}, "process must be one of rectified_flow, cosine, edm; got 'magic'"),
    ({"intervals": 0}, "intervals must be at least 1, got 0; try 5"),
    ({"shape": VideoShape(channels=1)}, "backbone and shape must agree on channels, got 3 and 1; set both"),
    ({"backbone": ConvNetConfig()}, "base needs a backbone that is shown 0 channels .* got 3; try kind='transformer'"),
]
WRONG_ABOVE = [
    ({"factor": 1}, "factor must be 1 for a base stage and above 1 for the others, got 1 for spatial_sr"),
    ({"process": "edm"}, "a bridge needs a path that ends without data, and x0; got process='edm'"),
    ({"prediction": "velocity"}, "a bridge needs .* prediction='velocity'; try rectified_flow and x0"),
    ({"bridge": 0.0}, r"bridge and spread must be above 0, got bridge=0\.0, spread=0\.1; try bridge=0\.5"),
    ({"spread": 0.0}, r"bridge and spread must be above 0, got bridge=0\.35, spread=0\.0"),
    ({"backbone": TransformerConfig()}, "spatial_sr needs a backbone that is shown 3 .* got 0; try kind='convnet'"),
    ({"backbone": InterpolatorConfig()}, "spatial_sr needs a backbone that is shown 3 .* got 7; try kind='convnet'"),
]


@pytest.mark.parametrize(
    ("name", "change", "sentence"), [("base", *one) for one in WRONG] + [("spatial_sr", *one) for one in WRONG_ABOVE]
)
def test_a_stage_that_cannot_work_is_refused_in_one_sentence(configs, name, change, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        replace(configs[name], **change)
    assert "\n" not in str(refused.value)


def test_impossible_sampling_is_refused(base):
    with pytest.raises(ValueError, match="steps must be at least 1, got 0; try 4"):
        Sampling(steps=0)
    with pytest.raises(ValueError, match=r"sampler must be one of euler, .*; got 'magic'"):
        Sampling(sampler="magic")
    with pytest.raises(ValueError, match="quality must be fast or best, got 'good'"):
        base.sampling("good")
    assert base.sampling("best") is base.config.best and base.sampling("fast") is base.config.fast

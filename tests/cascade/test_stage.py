from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.conditioning import Shown, SpatialSR, Task, frame_seconds
from framefall.cascade.stage import Sampling, Stage, StageConfig
from framefall.diffusion.process import PROCESSES
from framefall.diffusion.samplers import SAMPLERS
from framefall.models.backbone import Backbone, Condition
from framefall.models.convnet import ConvNetConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.transformer import TransformerConfig
from framefall.noise import Key, normal
from framefall.recipes.presets import RECIPES
from framefall.video import VideoShape, resize

STEP = 1 / 255  # half of a pixel's step in -1..1
KEY = Key(0, "sample", "0")
ONE = Sampling(steps=1, low_res_noise=0.0)


def run(stage: Stage, low: Tensor | None, frames: range, sampling: Sampling, keys: tuple[Key, ...] = (KEY,)) -> Tensor:
    """The finished frames of one window."""
    shape = stage.config.shape
    size = (shape.height, shape.width) if low is None else stage.task().size(low)
    seconds = frame_seconds(len(frames), torch.full((len(keys),), shape.fps))
    *_, last = stage.sample(Condition(seconds=seconds), low, size, frames, keys, sampling)
    return last.x


def in_windows(stage: Stage, low: Tensor, task: Task, sampling: Sampling) -> Tensor:
    """As a cascade does it: window after window, margins cut off."""
    made, parts = 0, []
    while (window := task.window(made, low.shape[2], True)) is not None:
        video = run(stage, low[:, :, window.inputs.start : window.inputs.stop], window.frames, sampling)
        parts.append(video[:, :, window.keep.start - window.frames.start : window.keep.stop - window.frames.start])
        made = window.keep.stop
    return torch.cat(parts, dim=2)


class Echo(Backbone):
    """Says what it is shown, so that noise can be read where it goes in."""

    halo = (0, 0)

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return x_t.clone()


@pytest.fixture
def spatial(configs, learned) -> Stage:
    return learned("spatial_sr", configs["spatial_sr"])


@pytest.fixture
def temporal(configs, learned) -> Stage:
    return learned("temporal_sr", configs["temporal_sr"])


@pytest.fixture
def base(configs, learned) -> Stage:
    return learned("base", configs["base"])


# -- frames in windows


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm++2m", "ancestral"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_video_in_windows_is_the_video_at_once(spatial, moving, float32, steps, sampler):
    sampling, low = Sampling(steps=steps, sampler=sampler), moving(14)
    whole = run(spatial, low, range(14), sampling)
    task = replace(spatial.task(14, sampling), frames=4)
    assert task.halo >= spatial.backbone.halo[0] * steps
    parts = in_windows(spatial, low, task, sampling)
    # float32; the stated aim is half of a pixel's step, 1 / 255
    assert (parts - whole).abs().max() < 1e-4 < STEP
    bare = in_windows(spatial, low, replace(task, halo=0), sampling)
    assert (bare - whole).abs().max() > 10 * STEP


def test_a_margin_one_frame_too_narrow_shows(configs, learned, moving, float32):
    """Heun asks twice a step, each time about its own answer: the margin counts questions, not steps."""
    config = replace(configs["spatial_sr"], bridge=None)
    stage, low = learned("spatial_sr", config), moving(12)
    sampling = Sampling(steps=2, sampler="heun")
    task = replace(stage.task(12, sampling), frames=4)
    assert task.halo == 3 * stage.backbone.halo[0]
    whole = run(stage, low, range(12), sampling)
    errors = [
        float((in_windows(stage, low, replace(task, halo=halo), sampling) - whole).abs().max())
        for halo in (task.halo, task.halo - 1)
    ]
    assert errors[0] < 1e-4 and errors[1] > 10 * errors[0]


def test_windows_in_fast_arithmetic_differ_by_less_than_a_pixels_step(spatial, moving):
    sampling, low = Sampling(steps=2), moving(10)
    task = replace(spatial.task(10, sampling), frames=4)
    whole = run(spatial, low, range(10), sampling)
    assert (in_windows(spatial, low, task, sampling) - whole).abs().max() < STEP
    assert (in_windows(spatial, low, replace(task, halo=0), sampling) - whole).abs().max() > STEP


def test_a_window_is_32_frames_and_its_margin(spatial):
    task = spatial.task(70, Sampling(steps=2))
    assert isinstance(task, SpatialSR) and task.frames == 32 and task.halo == 2 * spatial.backbone.halo[0]
    assert spatial.task().halo == spatial.backbone.halo[0]


# -- noise


def echo(config: StageConfig) -> Stage:
    return Stage(name="echo", config=replace(config, bridge=None), backbone=Echo())


def test_noise_of_a_frame_does_not_depend_on_its_window(configs, moving):
    stage, low = echo(configs["spatial_sr"]), moving(12)
    one = run(stage, low[:, :, 2:9], range(2, 9), ONE)
    two = run(stage, low[:, :, 5:12], range(5, 12), ONE)
    assert torch.equal(one[:, :, 3:], two[:, :, :4])
    assert not torch.equal(one[:, :, :4], two[:, :, :4])  # the same place in the window is another frame


def test_noise_of_a_place_does_not_depend_on_the_size_of_the_picture(configs, moving):
    stage = echo(configs["spatial_sr"])
    small, large = (run(stage, moving(3, 8, width), range(3), ONE) for width in (8, 12))
    assert torch.equal(large[..., :16], small)


def test_noise_belongs_to_the_clip_the_stage_and_the_seed(configs):
    keys = (Key(0, "sample", "a"), Key(0, "sample", "b"), Key(1, "sample", "a"))
    stage = echo(configs["base"])
    one, two, three = run(stage, None, range(8), ONE, keys).unbind(0)
    assert min((one - two).abs().mean(), (one - three).abs().mean(), (two - three).abs().mean()) > 0.5
    assert torch.equal(run(stage, None, range(8), ONE, keys[1:2])[0], two)
    renamed = replace(stage, name="other")
    assert (run(renamed, None, range(8), ONE, keys[:1])[0] - one).abs().mean() > 0.5


@pytest.mark.parametrize("process", PROCESSES)
def test_a_base_stage_starts_from_the_processes_own_noise(configs, process):
    stage = echo(replace(configs["base"], process=process))
    found = run(stage, None, range(8), ONE)
    noise = normal([KEY.named("echo/start")], (3, 8, 16, 16))
    start = stage.process.start(noise)
    torch.testing.assert_close(found, stage.process.scale_input(start, torch.ones(1)))


# -- given frames


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_given_frames_stay_exactly_as_they_are(temporal, moving, sampler, guidance):
    low = moving(4, 16, 16, clips=2)
    sampling = Sampling(steps=3, sampler=sampler, guidance_scale=guidance, guidance_interval=(0.0, 1.0))
    out = run(temporal, low, range(1, 7), sampling, (KEY, Key(0, "sample", "1")))
    assert torch.equal(out[:, :, 1::2], low[:, :, 1:])
    assert (out[:, :, ::2] - low[:, :, 1:]).abs().max() > 0.1  # frames between are not given


# -- the bridge


def bridge(stage: Stage, t: float, x_t: Tensor, prior: Tensor) -> Tensor:
    condition = Condition(seconds=torch.zeros(len(x_t), x_t.shape[2]), low_res=prior, prior=prior)
    with torch.no_grad():
        return stage.x0(x_t, torch.full((len(x_t),), t), condition)


def videos(count: int) -> list[Tensor]:
    return list(torch.randn(count, 2, 3, 2, 8, 8, generator=torch.Generator().manual_seed(4)))


def test_at_time_1_the_noisy_video_counts_nothing(spatial, configs, learned):
    one, two, prior = videos(3)
    assert torch.equal(bridge(spatial, 1.0, one, prior), bridge(spatial, 1.0, two, prior))
    assert not torch.equal(bridge(spatial, 0.9, one, prior), bridge(spatial, 0.9, two, prior))
    plain = learned("spatial_sr", replace(configs["spatial_sr"], bridge=None))
    assert not torch.equal(bridge(plain, 1.0, one, prior), bridge(plain, 1.0, two, prior))


@pytest.mark.parametrize("t", [1e-3, 1e-6, 0.0])
def test_near_time_0_the_measurement_counts_alone(spatial, t):
    x_t, prior = videos(2)
    measured = (x_t - t * prior) / (1 - t)
    # what is left of the proposal, which is about 20 here: (sigma bridge / spread)^2, at t = 1e-3 about 1e-5 of it
    torch.testing.assert_close(bridge(spatial, t, x_t, prior), measured, rtol=0, atol=5e-4)
    assert (bridge(spatial, 0.5, x_t, prior) - measured).abs().max() > 0.1


@pytest.mark.parametrize("process", ["rectified_flow", "cosine"])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_between_the_proposal_and_the_measurement_count_by_their_precision(configs, fresh, t, process):
    """Untrained, the network proposes the prior itself: the posterior of two normal distributions is known."""
    config = replace(configs["spatial_sr"], process=process)
    stage, (x_t, prior) = fresh("spatial_sr", config), videos(2)
    alpha, sigma = (float(scale) for scale in stage.process.scales(torch.tensor([t], dtype=torch.float64)))

    def posterior(spread: float) -> Tensor:
        believed, measured = 1 / spread**2, (alpha / (sigma * config.bridge)) ** 2
        return (believed * prior + measured * (x_t - sigma * prior) / alpha) / (believed + measured)

    found = bridge(stage, t, x_t, prior)
    torch.testing.assert_close(found, posterior(config.spread), rtol=1e-4, atol=1e-5)
    assert (found - posterior(2 * config.spread)).abs().max() > 0.01


def test_a_bridge_ends_at_its_prior_and_some_noise(spatial, base):
    noise, prior = videos(2)
    end = spatial.endpoint(noise, Shown(prior=prior))
    torch.testing.assert_close(end, prior + spatial.config.bridge * noise)
    assert base.endpoint(noise, Shown()) is noise


def test_untrained_spatial_super_resolution_is_the_bicubic_enlargement(configs, fresh, moving):
    stage, low = fresh("spatial_sr", configs["spatial_sr"]), moving(3)
    assert torch.equal(run(stage, low, range(3), ONE), resize(low, 16, 16))
    corrupted = run(stage, low, range(3), replace(ONE, low_res_noise=0.3))
    assert (corrupted - resize(low, 16, 16)).abs().mean() > 0.05


def test_untrained_temporal_super_resolution_leaves_a_still_video_still(configs, fresh, moving, float32):
    stage = fresh("temporal_sr", configs["temporal_sr"])
    low = moving(1, 16, 16).expand(-1, -1, 4, -1, -1)
    out = run(stage, low, range(1, 7), ONE)
    torch.testing.assert_close(out, low[:, :, :1].expand_as(out), rtol=0, atol=1e-4)


# -- sampling


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["base", "temporal_sr", "spatial_sr"])
def test_every_sampler_runs_through_every_stage(configs, learned, moving, name, sampler):
    stage = learned(name, configs[name])
    low = {"base": None, "temporal_sr": moving(4, 16, 16), "spatial_sr": moving(6)}[name]
    frames = range(8) if low is None else range(1, 7)
    out = run(stage, low, frames, Sampling(steps=4, sampler=sampler))
    assert out.isfinite().all() and out.shape[2] == len(frames)
    if sampler not in ("euler", "ddim"):
        assert not torch.equal(out, run(stage, low, frames, Sampling(steps=4)))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("prediction", ["x0", "velocity"])
def test_every_process_and_prediction_runs_through_a_stage(configs, learned, process, prediction):
    config = replace(configs["base"], process=process, prediction=prediction)
    out = run(learned("base", config), None, range(8), Sampling(steps=3, sampler="dpm++2m"))
    assert out.isfinite().all()


def test_a_sample_is_as_many_steps_as_were_asked_for(base):
    seconds = frame_seconds(8, torch.tensor([6.0]))
    steps = list(base.sample(Condition(seconds=seconds), None, (16, 16), range(8), [KEY], Sampling(steps=5)))
    assert [step.index for step in steps] == list(range(5)) and {step.total for step in steps} == {5}
    assert [step.t for step in steps] == sorted((step.t for step in steps), reverse=True) and steps[-1].t == 0
    assert torch.equal(steps[-1].x, steps[-1].x0) and not torch.equal(steps[0].x, steps[0].x0)


def test_nothing_that_is_sampled_keeps_gradients(base, temporal, spatial, moving):
    for stage, low, frames in ((base, None, range(8)), (temporal, moving(4, 16, 16), range(1, 7)), (spatial, moving(3), range(3))):
        assert not run(stage, low, frames, ONE).requires_grad


def test_gradients_flow_where_a_stage_is_trained(spatial):
    x_t, prior = videos(2)
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


def test_a_large_picture_goes_through_a_stage_in_tiles(spatial, monkeypatch, moving, float32):
    from framefall.cascade import stage as module

    low, sampling = moving(2, 20, 12), Sampling(steps=2)
    whole = run(spatial, low, range(2), sampling)
    monkeypatch.setattr(module, "_TILE", 16)
    torch.testing.assert_close(run(spatial, low, range(2), sampling), whole, rtol=0, atol=1e-4)
    spatial.backbone.halo = (spatial.backbone.halo[0], 0)
    assert (run(spatial, low, range(2), sampling) - whole).abs().max() > 10 * STEP


def test_a_picture_larger_than_a_transformer_was_trained_on_is_blended(temporal, moving):
    low = moving(4, 24, 40)
    out = run(temporal, low, range(1, 7), Sampling(steps=2))
    assert out.shape[-2:] == (24, 40) and out.isfinite().all()
    assert torch.equal(out[:, :, 1::2], low[:, :, 1:])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_stage_takes_any_number_of_channels(configs, learned, moving, channels):
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


# -- configs


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


@pytest.mark.parametrize(("name", "change", "sentence"), [("base", *one) for one in WRONG] + [("spatial_sr", *one) for one in WRONG_ABOVE])
def test_a_stage_that_cannot_work_is_refused_in_one_sentence(configs, name, change, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        replace(configs[name], **change)
    assert "\n" not in str(refused.value)


def test_impossible_sampling_is_refused(base):
    with pytest.raises(ValueError, match="steps must be at least 1, got 0; try 4"):
        Sampling(steps=0)
    with pytest.raises(ValueError, match="sampler must be one of euler, .*; got 'magic'"):
        Sampling(sampler="magic")
    with pytest.raises(ValueError, match="quality must be fast or best, got 'good'"):
        base.sampling("good")
    assert base.sampling("best") is base.config.best and base.sampling("fast") is base.config.fast

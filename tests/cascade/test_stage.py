"""A stage: what its network is told, how a guess and the noisy video are weighed, and how it samples."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framefall.cascade.codec import build_codec
from framefall.cascade.conditioning import Conditioning, frame_seconds
from framefall.cascade.known import Known
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base
from framefall.diffusion.guidance_config import Guidance
from framefall.diffusion.process import PROCESSES
from framefall.diffusion.samplers import SAMPLERS
from framefall.models.autoencoder import AutoencoderConfig
from framefall.models.backbone import Backbone, Condition
from framefall.models.content import CONTENT_DIM
from framefall.models.convnet import ConvNetConfig
from framefall.models.interpolator import InterpolatorConfig
from framefall.models.text import TEXT_DIM, encode
from framefall.models.transformer import TransformerConfig
from framefall.noise import Key, normal
from framefall.video import resize

KEY = Key(0, "sample", "0")
ONE = Sampling(steps=1, low_res_noise=0.0)
THREE = Sampling(steps=3)
LONG = "a red ball falls " * 12  # 48 words, each a token


def with_task(config: StageConfig, **changes: object) -> StageConfig:
    return replace(config, task=replace(config.task, **changes))


def with_backbone(config: StageConfig, **changes: object) -> StageConfig:
    return replace(config, backbone=replace(config.backbone, **changes))


# what the network is told


@pytest.mark.parametrize("words", [8, 24, 48])
def test_a_caption_is_read_to_the_networks_own_length(configs, fresh, words):
    stage = fresh("base", with_backbone(configs["base"], words=words))
    short, long = stage.condition(["a ball", LONG], frames=8, fps=6.0).text_mask
    assert (len(long), int(long.sum()), int(short.sum())) == (words, words, 4)  # two words between the marks


def test_what_a_caption_says_late_is_heard_by_a_network_that_reads_on(configs, learned):
    """The control is a network of 24 words: to it two captions that differ after the 24th are one."""
    early, late = LONG, LONG[: 17 * 8] + "while a green box slides to the left " * 2

    def distance(words: int) -> float:
        stage = learned("base", with_backbone(configs["base"], words=words))
        x_t, t = torch.zeros(1, 3, 8, 16, 16), torch.full((1,), 0.5)
        with torch.no_grad():
            one, two = (stage.x0(x_t, t, stage.condition([text], frames=8, fps=6.0)) for text in (early, late))
        return float((one - two).abs().max())

    assert distance(48) > 1e-3 and distance(24) == 0.0


def test_a_condition_is_as_much_as_the_network_takes(configs, fresh):
    plain = fresh("temporal_sr", configs["temporal_sr"]).condition(["a ball"], frames=3, fps=6.0)
    assert plain.text is plain.text_mask is plain.numbers is None and plain.low_res is None
    trunk = replace(configs["temporal_sr"].backbone.trunk, text_dim=TEXT_DIM, words=5, numbers=2)
    reading = fresh("temporal_sr", replace(configs["temporal_sr"], backbone=InterpolatorConfig(trunk=trunk)))
    told = reading.condition(["a ball", None], frames=3, fps=6.0)
    assert told.text.shape == (2, 5, TEXT_DIM) and told.numbers.shape == (2, 1, 2)
    assert torch.equal(told.text, encode(["a ball", None], words=5)[0])
    assert told.text_mask.any(dim=1).tolist() == [True, False]  # None is the null caption


def test_moments_follow_one_rate_or_each_clips_own(base):
    one = base.condition([None, None], frames=3, fps=2.0).seconds
    own = base.condition([None, None], frames=3, fps=torch.tensor([2.0, 4.0])).seconds
    assert one.tolist() == [[0.0, 0.5, 1.0]] * 2 and own.tolist() == [[0.0, 0.5, 1.0], [0.0, 0.25, 0.5]]


def test_absent_numbers_are_zeros_and_given_ones_are_told_to_every_clip(configs, fresh):
    stage = fresh("base", with_backbone(configs["base"], numbers=2))
    assert torch.equal(stage.condition([None] * 3, frames=8, fps=6.0).numbers, torch.zeros(3, 1, 2))
    for given in (torch.tensor([[[9.8, 1.0]]]), torch.rand(1, 8, 2), torch.rand(3, 1, 2)):
        told = stage.condition([None] * 3, frames=8, fps=6.0, numbers=given).numbers
        assert torch.equal(told, given.expand(3, -1, -1)) and told.any()
    with pytest.raises(ValueError, match="base takes 2 numbers, got 3; give as many, or none"):
        stage.condition([None], frames=8, fps=6.0, numbers=torch.zeros(1, 1, 3))
    deaf = fresh("base", configs["base"])
    assert deaf.condition([None], frames=8, fps=6.0, numbers=torch.ones(1, 1, 3)).numbers is None


def test_what_is_known_is_told_and_doubt_only_of_a_stage_below(base, spatial, temporal, moving):
    known, doubt = Conditioning(low_res=moving(2), prior=-moving(2)), torch.tensor([0.3])
    for stage, expected in ((spatial, doubt), (temporal, doubt), (base, None)):
        told = stage.conditioned(stage.condition([None], frames=2, fps=6.0), known, doubt)
        assert told.low_res is known.low_res and told.prior is known.prior and told.low_res_noise is expected
        assert told.seconds.tolist() == frame_seconds(2, torch.tensor([6.0])).tolist()


def test_a_latent_stage_is_told_of_latent_frames(configs, fresh):
    small = AutoencoderConfig(latent_channels=4, dim=8, depth=1, space=2, time=2)
    backbone = replace(configs["base"].backbone, channels=4, patch=(1, 2, 2), numbers=1)
    stage = fresh("base", replace(configs["base"], latent=small, backbone=backbone))
    stage = replace(stage, codec=build_codec(small))
    frames = torch.arange(8.0)[None, :, None]
    told = stage.condition([None], frames=8, fps=1.0, numbers=frames)
    assert told.seconds.shape == (1, 8)  # what the cascade says is a matter of frames
    seen = stage.conditioned(told, Conditioning(), torch.zeros(1))
    assert seen.seconds.tolist() == [[0, 2, 4, 6, 7]] == seen.numbers[..., 0].tolist()


# a bridge: super-resolution starts from a guess


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
    plain = learned("spatial_sr", with_task(configs["spatial_sr"], bridge=None))
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
        believed, measured = 1 / spread**2, (alpha / (sigma * config.task.bridge)) ** 2
        return (believed * prior + measured * (x_t - sigma * prior) / alpha) / (believed + measured)

    found = bridge(stage, t, x_t, prior)
    torch.testing.assert_close(found, posterior(config.task.spread), rtol=1e-4, atol=1e-5)
    assert (found - posterior(2 * config.task.spread)).abs().max() > 0.01


def test_a_bridge_ends_at_its_prior_and_some_noise(spatial, base):
    noise, prior = videos(2)
    end = spatial.endpoint(noise, Conditioning(prior=prior))
    torch.testing.assert_close(end, prior + spatial.task.bridge * noise)
    assert base.endpoint(noise, Conditioning()) is noise


def test_untrained_spatial_super_resolution_is_the_bicubic_enlargement(run, configs, fresh, moving):
    stage, low = fresh("spatial_sr", configs["spatial_sr"]), moving(3)
    assert torch.equal(run(stage, low, range(3), ONE), resize(low, 16, 16))
    corrupted = run(stage, low, range(3), replace(ONE, low_res_noise=0.3))
    assert (corrupted - resize(low, 16, 16)).abs().mean() > 0.05


def test_untrained_temporal_super_resolution_leaves_a_still_video_still(run, configs, fresh, moving, float32):
    stage = fresh("temporal_sr", configs["temporal_sr"])
    low = moving(1, 16, 16).expand(-1, -1, 4, -1, -1)
    out = run(stage, low, range(1, 7), ONE)
    torch.testing.assert_close(out, low[:, :, :1].expand_as(out), rtol=0, atol=1e-4)


# frames that are known exactly


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_given_frames_stay_exactly_as_they_are(run, temporal, moving, sampler, guidance):
    low = moving(4, 16, 16, clips=2)
    sampling = Sampling(steps=3, sampler=sampler, guidance=Guidance(scale=guidance, interval=(0.0, 1.0)))
    out = run(temporal, low, range(1, 7), sampling, (KEY, Key(0, "sample", "1")))
    assert torch.equal(out[:, :, 1::2], low[:, :, 1:])
    assert (out[:, :, ::2] - low[:, :, 1:]).abs().max() > 0.1  # frames between are not given


@pytest.fixture
def knowing(configs, learned) -> Stage:
    """The toy base stage, which can be given up to 3 first frames."""
    config = configs["base"]
    return learned("base", replace(config, task=Base(known=3), backbone=replace(config.backbone, low_res_channels=4)))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("given", [1, 3])
def test_given_frames_come_out_as_they_went_in_and_the_others_follow_from_them(run, knowing, moving, sampler, given):
    low = moving(given, 16, 16)
    sampling = replace(THREE, sampler=sampler)
    out = run(knowing, None, range(8), sampling, given=low)
    assert torch.equal(out[:, :, :given], low)
    assert out.isfinite().all()
    assert not torch.equal(out[:, :, given:], run(knowing, None, range(8), sampling)[:, :, given:])
    assert not torch.equal(out[:, :, given:], run(knowing, None, range(8), sampling, given=-low)[:, :, given:])


@pytest.fixture
def any_frames(configs, learned) -> Stage:
    """The toy base stage, which can be told any frames."""
    config = configs["base"]
    return learned(
        "base", replace(config, task=Base(known="any"), backbone=replace(config.backbone, low_res_channels=4))
    )


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("given", [1, 7])
def test_a_stage_of_any_frames_is_shown_given_ones_clean_and_told_so(
    run, any_frames, moving, monkeypatch, given, guidance
):
    seen = []
    forward = type(any_frames.backbone).forward

    def spy(self, x_t, t, condition):
        seen.append((x_t, t, condition.low_res))
        return forward(self, x_t, t, condition)

    monkeypatch.setattr(type(any_frames.backbone), "forward", spy)
    low, sampling = moving(given, 16, 16), replace(THREE, guidance=Guidance(scale=guidance))
    out = run(any_frames, None, range(8), sampling, given=low)
    assert torch.equal(out[:, :, :given], low) and out.isfinite().all()
    for x_t, t, low_res in seen:
        assert torch.equal(x_t[:, :, :given], low) and not t[:, :given].any()
        assert len(set(t[:, given:].flatten().tolist())) == 1 and t[:, given:].min() > 0
        assert (low_res[:, 3, :given] == 1).all() and not low_res[:, :, given:].any()
    seen.clear()
    run(any_frames, None, range(8), sampling)
    assert all(t.shape == (1,) for _, t, _ in seen)  # nothing is known: one time for the clip


# a distilled stage


@pytest.fixture
def few_steps(configs, learned) -> Stage:
    """The toy base stage of any frames, as distillation leaves it."""
    config = configs["base"]
    network = replace(config.backbone, low_res_channels=4, flow_map=True, baked_guidance=(1.0, 4.0))
    return learned("base", replace(config, task=Base(known="any"), backbone=network))


@pytest.mark.parametrize("given", [0, 2])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_distilled_stage_is_told_where_each_step_goes_and_asked_once(
    run, few_steps, moving, monkeypatch, sampler, given
):
    seen = []
    forward = type(few_steps.backbone).forward

    def spy(self, x_t, t, condition):
        seen.append((t, condition.until, condition.guidance_scale))
        return forward(self, x_t, t, condition)

    monkeypatch.setattr(type(few_steps.backbone), "forward", spy)
    sampling = Sampling(steps=4, sampler=sampler, shift=3.0, guidance=Guidance(scale=2.5))
    run(few_steps, None, range(8), sampling, given=moving(given, 16, 16) if given else None)
    assert len(seen) == sampling.calls and all(scale.tolist() == [2.5] for _, _, scale in seen)
    if sampler not in ("euler", "ddim"):  # a step of theirs is no jump: the denoiser as such is what they want
        assert all(until is None for _, until, _ in seen)
        return
    times = [float(t.amax()) for t, _, _ in seen]
    assert [float(until.amax()) for _, until, _ in seen] == [*times[1:], 0.0]
    if given:
        assert all(not t[:, :2].any() and not until[:, :2].any() for t, until, _ in seen)


@pytest.mark.parametrize("scale", [0.0, 0.9, 4.1])
def test_a_scale_that_a_distilled_stage_was_not_trained_on_is_refused(run, few_steps, scale):
    with pytest.raises(ValueError, match=r"of this distilled base must be within 1 to 4, .* got (0|0\.9|4\.1); take"):
        run(few_steps, None, range(8), replace(THREE, guidance=Guidance(scale=scale)))


def test_a_longer_clip_can_be_asked_for(run, knowing, moving):
    low = moving(2, 16, 16)
    assert torch.equal(run(knowing, None, range(12), THREE, given=low)[:, :, :2], low)


# sampling


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
    condition = base.condition([None], frames=8, fps=6.0)
    steps = list(base.sample(condition, None, (16, 16), range(8), [KEY], Sampling(steps=5)))
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
    told = base.condition(["a man talks in a moving car"], frames=8, fps=6.0)

    def sample(condition: Condition, scale: float) -> Tensor:
        sampling = Sampling(steps=2, guidance=Guidance(scale=scale, interval=(0.0, 1.0), rescale=0.0))
        *_, last = base.sample(condition, None, (16, 16), range(8), [KEY], sampling)
        return last.x

    plain, guided, null = sample(told, 1.0), sample(told, 4.0), sample(told.without_text(), 1.0)
    assert torch.equal(sample(told, 0.0), null)  # all the way back
    assert (guided - null).norm() > 1.5 * (plain - null).norm() > 0
    assert torch.equal(sample(told.without_text(), 4.0), null)  # where nothing is said nothing is stronger


BARE = {"interval": (0.0, 1.0), "rescale": 0.0}


def test_consistency_in_time_leads_from_frames_alone_to_the_clip(run, configs, learned):
    """The same weights with fusion per_frame are what its weaker side must be."""
    config = configs["base"]
    network = replace(config.backbone, patch=(1, *config.backbone.patch[1:]))
    stage = learned("base", replace(config, backbone=network))
    apart = learned("base", replace(config, backbone=replace(network, fusion="per_frame")))
    assert apart.backbone.state_dict().keys() == stage.backbone.state_dict().keys()

    def clip(of: Stage, **guidance: float) -> Tensor:
        return run(of, None, range(8), Sampling(steps=2, guidance=Guidance(**guidance, **BARE)))

    assert torch.equal(clip(stage, temporal_scale=1.0), clip(stage))
    assert torch.equal(clip(stage, temporal_scale=0.0), clip(apart))
    assert not torch.equal(clip(stage), clip(apart))  # the control
    assert (clip(stage, temporal_scale=2.0) - clip(apart)).norm() > 1.2 * (clip(stage) - clip(apart)).norm()


def test_structure_and_content_lead_from_what_is_said_without_them(configs, learned):
    config = configs["base"]
    network = replace(config.backbone, structure_channels=2, content_dim=CONTENT_DIM)
    config = replace(config, task=Base(structure="edges"), backbone=network)
    stage, generator = learned("base", config), torch.Generator().manual_seed(4)
    where = Known(video=torch.rand(1, 1, 8, 16, 16, generator=generator) * 2 - 1, mask=torch.full((1, 1, 8, 1, 1), 0.5))
    content = torch.randn(1, CONTENT_DIM, generator=generator)

    def clip(where: Known | None = where, content: Tensor | None = content, **guidance: float) -> Tensor:
        sampling = Sampling(steps=2, guidance=Guidance(**guidance, **BARE))
        condition = stage.condition([None], frames=8, fps=6.0, content=content)
        keys = [Key(0, "sample", "0")]
        *_, last = stage.sample(condition, None, (16, 16), range(8), keys, sampling, structure=where)
        return last.x

    told = clip()
    assert torch.equal(clip(structure_scale=1.0, content_scale=1.0), told)
    for name, without in (("structure_scale", clip(where=None)), ("content_scale", clip(content=None))):
        assert torch.equal(clip(**{name: 0.0}), without) and not torch.equal(without, told)
        assert (clip(**{name: 2.0}) - without).norm() > 1.2 * (told - without).norm()
        assert torch.equal(clip(where=None, content=None, **{name: 2.0}), clip(where=None, content=None))
    both = clip(structure_scale=2.0, content_scale=2.0)
    assert all(not torch.equal(both, clip(**{name: 2.0})) for name in ("structure_scale", "content_scale"))


def test_a_task_and_a_network_must_agree_on_structure_and_content(configs):
    config = configs["base"]
    latent = AutoencoderConfig(latent_channels=3, space=2, time=1, dim=8, depth=1)
    for channels, changes in ((2, {}), (4, {"latent": latent})):
        told = replace(config.backbone, structure_channels=channels)
        replace(config, task=Base(structure="mask"), backbone=told, **changes)
        for task, count in ((Base(structure="mask"), channels - 1), (Base(), channels)):
            network = replace(told, structure_channels=count)
            with pytest.raises(ValueError, match=f"must agree on structure: .*, got structure_channels={count}"):
                replace(config, task=task, backbone=network, **changes)
    with pytest.raises(ValueError, match="content_dim must be 0, or 1280 as a content's embedding has, got 7"):
        replace(config, backbone=replace(config.backbone, content_dim=7))


@pytest.mark.parametrize("fixture", ["knowing", "any_frames"])
def test_history_leads_from_what_is_said_without_the_given_frames(run, moving, request, fixture):
    stage, low = request.getfixturevalue(fixture), moving(3, 16, 16)

    def clip(low: Tensor | None, scale: float) -> Tensor:
        return run(stage, None, range(8), Sampling(steps=2, guidance=Guidance(history_scale=scale, **BARE)), given=low)

    told, forgot, beyond = (clip(low, scale) for scale in (1.0, 0.0, 2.0))
    assert all(torch.equal(one[:, :, :3], low) for one in (told, forgot, beyond))
    assert (beyond - forgot).norm() > 1.2 * (told - forgot).norm() > 0
    if fixture == "any_frames":  # what forgets is shown noise at t = 1 in their place, whatever they were
        torch.testing.assert_close(clip(-low, 0.0)[:, :, 3:], forgot[:, :, 3:], rtol=0, atol=0.02)
        assert (clip(-low, 1.0) - told)[:, :, 3:].abs().max() > 0.1  # the control
    assert torch.equal(clip(None, 2.0), clip(None, 1.0))  # where nothing is given there is no history


def test_forgotten_frames_are_shown_as_pure_noise(any_frames, moving, monkeypatch):
    seen = []
    forward = type(any_frames.backbone).forward

    def spy(self, x_t, t, condition):
        seen.append((x_t, t, condition.low_res))
        return forward(self, x_t, t, condition)

    monkeypatch.setattr(type(any_frames.backbone), "forward", spy)
    low, noise = moving(2, 16, 16), torch.randn(1, 3, 8, 16, 16, generator=torch.Generator().manual_seed(4))
    mask = (torch.arange(8) < 2).float()[None, None, :, None, None]
    first = Known(video=torch.cat((low, low, low, low), dim=2), mask=mask)
    known = any_frames.task.conditioning(None, 8, known=first)
    condition = any_frames.conditioned(any_frames.condition([None], frames=8, fps=6.0), known, torch.zeros(1))
    denoise = any_frames.denoiser(condition, known, Sampling(guidance=Guidance(history_scale=1.5)))
    t = torch.tensor([0.5])
    x_t = any_frames.process.add_noise(torch.cat((low, low, low, low), dim=2), noise, t)
    denoise(x_t, t)
    (told, told_t, told_low), (forgot, forgot_t, forgot_low) = seen
    assert torch.equal(told[:, :, :2], low) and not told_t[:, :2].any() and told_low[:, 3, :2].all()
    torch.testing.assert_close(forgot[:, :, :2], noise[:, :, :2], rtol=0, atol=1e-5)
    assert (forgot_t[:, :2] == 1).all() and (forgot_t[:, 2:] == 0.5).all() and forgot_low is None
    assert torch.equal(forgot[:, :, 2:], told[:, :, 2:])


def test_a_stage_that_cannot_be_told_is_led_to_what_is_known_by_reconstruction(run, base, knowing, moving):
    low = moving(3, 16, 16)

    def clip(stage: Stage, scale: float) -> Tensor:
        guidance = Guidance(reconstruction_scale=scale, **BARE)
        return run(stage, None, range(8), Sampling(steps=4, guidance=guidance), given=low)

    kept, led = clip(base, 0.0), clip(base, 1.0)
    assert torch.equal(led[:, :, :3], low) and not led.requires_grad
    assert not torch.equal(led[:, :, 3:], kept[:, :, 3:])
    assert torch.equal(clip(knowing, 1.0), clip(knowing, 0.0))  # one that is told needs none


def test_no_gradients_come_of_any_guidance(base):
    every = Guidance(scale=2.0, temporal_scale=1.5, threshold=99.0, oscillate=(1.0, 0), weaker_scale=2.0)
    condition = base.condition(["a ball"], frames=8, fps=6.0)
    denoise = base.guided_by(base).denoiser(condition, Conditioning(), Sampling(guidance=every))
    x0 = denoise(torch.zeros(1, 3, 8, 16, 16), torch.tensor([0.5]))
    assert not x0.requires_grad and x0.abs().max() <= 1


def test_a_threshold_is_not_for_latents(configs):
    stage = configs["base"]
    latent = AutoencoderConfig(latent_channels=3, space=2, time=1, dim=8, depth=1)
    bounded = Sampling(guidance=Guidance(threshold=99.5))
    replace(stage, best=bounded)  # on pixels
    with pytest.raises(ValueError, match=r"dynamic thresholding is for pixels, .* got threshold=99\.5; leave it out"):
        replace(stage, latent=latent, best=bounded)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_stage_takes_any_number_of_channels(run, configs, learned, moving, channels):
    trunk = TransformerConfig(dim=16, depth=1, heads=1, patch=(2, 4, 4))
    networks = {
        "base": replace(trunk, channels=channels),
        "temporal_sr": InterpolatorConfig(channels=channels, trunk=trunk),
        "spatial_sr": ConvNetConfig(channels=channels, dim=8, depth=1, unshuffle=2),
    }
    for name, network in networks.items():
        shape = replace(configs[name].shape, channels=channels)
        stage = learned(name, replace(configs[name], shape=shape, backbone=network))
        low = None if name == "base" else moving(4, 16, 16)[:, :1].expand(-1, channels, -1, -1, -1)
        frames = range(8) if low is None else range(1, 7) if name == "temporal_sr" else range(4)
        assert run(stage, low, frames, ONE).shape[:3] == (1, channels, len(frames))


# noise is a matter of names, not of circumstances


class Echo(Backbone):
    """Says what it is shown, so that noise can be read where it goes in."""

    halo = (0, 0)

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return x_t.clone()


def echo(config: StageConfig) -> Stage:
    config = with_task(config, bridge=None) if config.task.super_resolution else config
    return Stage(name="echo", config=config, backbone=Echo())


def test_noise_of_a_frame_does_not_depend_on_its_segment(run, configs, moving):
    stage, low = echo(configs["spatial_sr"]), moving(12)
    one = run(stage, low[:, :, 2:9], range(2, 9), ONE)
    two = run(stage, low[:, :, 5:12], range(5, 12), ONE)
    assert torch.equal(one[:, :, 3:], two[:, :, :4])
    assert not torch.equal(one[:, :, :4], two[:, :, :4])  # the same place in the segment is another frame


def test_noise_of_a_place_does_not_depend_on_the_size_of_the_picture(run, configs, moving):
    stage = echo(configs["spatial_sr"])
    small, large = (run(stage, moving(3, 8, width), range(3), ONE) for width in (8, 12))
    assert torch.equal(large[..., :16], small)


def test_noise_belongs_to_the_clip_the_stage_and_the_seed(run, configs):
    keys = (Key(0, "sample", "a"), Key(0, "sample", "b"), Key(1, "sample", "a"))
    stage = echo(configs["base"])
    one, two, three = run(stage, None, range(8), ONE, keys).unbind(0)
    assert min((one - two).abs().mean(), (one - three).abs().mean(), (two - three).abs().mean()) > 0.5
    assert torch.equal(run(stage, None, range(8), ONE, keys[1:2])[0], two)
    renamed = replace(stage, name="other")
    assert (run(renamed, None, range(8), ONE, keys[:1])[0] - one).abs().mean() > 0.5


@pytest.mark.parametrize("process", PROCESSES)
def test_a_base_stage_starts_from_the_processes_own_noise(run, configs, process):
    stage = echo(replace(configs["base"], process=process))
    found = run(stage, None, range(8), ONE)
    noise = normal([KEY.named("echo/start")], (3, 8, 16, 16))
    start = stage.process.start(noise)
    torch.testing.assert_close(found, stage.process.scale_input(start, torch.ones(1)))

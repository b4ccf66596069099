"""A stage on latents: the task stays a matter of frames, the network sees their codes."""

from dataclasses import replace

import pytest
import torch

from framefall.cascade.cascade import Cascade, CascadeConfig
from framefall.cascade.codec import Latents, Pixels, build_codec
from framefall.cascade.conditioning import Conditioning
from framefall.cascade.known import Known
from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import AUTOENCODER, load_cascade, save
from framefall.cascade.stage import Stage
from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.cascade.tasks import Base
from framefall.config import from_dict, to_dict
from framefall.models.autoencoder import AutoencoderConfig
from framefall.models.backbone import Condition
from framefall.noise import Key
from framefall.publish import Corrupt

KEYS = (Key(0, "sample", "0"),)
FAST = Sampling(steps=3)
SMALL = AutoencoderConfig(latent_channels=4, dim=8, depth=1, space=2, time=2)


def in_latents(config: StageConfig, known: int = 0) -> StageConfig:
    """The same stage with a network for the latents of its clips."""
    backbone = replace(config.backbone, channels=SMALL.latent_channels)
    task = config.task
    if isinstance(task, Base):
        task = Base(known=known)
        backbone = replace(backbone, patch=(1, 2, 2), low_res_channels=task.low_res_channels(SMALL.latent_channels))
    return replace(config, latent=SMALL, backbone=backbone, task=task)


@pytest.fixture
def latents(learned):
    """A stage on latents of an autoencoder that compresses like a plain codec; no weight of its network is zero."""

    def make(name: str, config: StageConfig, known: int = 0) -> Stage:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return replace(learned(name, in_latents(config, known)), codec=build_codec(SMALL))

    return make


@pytest.fixture
def compressed(configs, latents) -> Cascade:
    """The toy cascade, every stage of it on latents."""
    stages = tuple(latents(name, config) for name, config in configs.items())
    return Cascade(config=CascadeConfig(name="toy", stages={s.name: s.config for s in stages}), stages=stages)


def test_every_stage_can_run_on_latents_and_makes_what_it_would_make_of_pixels(compressed, cascade):
    for until in (None, "base", "temporal_sr"):
        assert (
            compressed.sample(Request("a ball", until=until)).shape
            == cascade.sample(Request("a ball", until=until)).shape
        )
    assert compressed.sample(Request("a ball", frames=11)).shape[2] == 11
    assert compressed.sample(Request(quality="best")).isfinite().all()


def test_it_comes_back_as_it_was_with_its_autoencoder(compressed, tmp_path):
    save(compressed, tmp_path / "model")
    found = load_cascade(tmp_path / "model")
    assert found.config == compressed.config and all(stage.config.latent == SMALL for stage in found.stages)
    assert torch.equal(found.sample(Request("a ball")), compressed.sample(Request("a ball")))
    assert not any(p.requires_grad for stage in found.stages for p in stage.codec.autoencoder.parameters())
    other = replace(found.stages[0], codec=build_codec(SMALL))
    other.codec.autoencoder.latents_std.fill_(2.0)  # the control: the autoencoder counts
    changed = replace(found, stages=(other, *found.stages[1:]))
    assert not torch.equal(changed.sample(Request("a ball")), compressed.sample(Request("a ball")))


def test_without_its_autoencoder_it_is_not_whole(compressed, tmp_path):
    save(compressed, tmp_path / "model")
    (tmp_path / "model" / f"base.{AUTOENCODER}").unlink()
    with pytest.raises(Corrupt):
        load_cascade(tmp_path / "model")


def test_a_stage_on_pixels_has_one_file_and_a_config_of_before_is_read(cascade, model):
    assert not list(model.glob(f"*.{AUTOENCODER}"))
    values = to_dict(cascade.config)
    for stage in values["stages"].values():
        assert stage.pop("latent") is None
    assert from_dict(CascadeConfig, values) == cascade.config


def test_only_the_last_step_is_frames(configs, latents):
    stage = latents("base", configs["base"])
    steps = list(stage.sample(Condition(seconds=torch.arange(8)[None] / 6), None, (16, 16), range(8), KEYS, FAST))
    assert [tuple(step.x.shape) for step in steps] == 2 * [(1, 4, 5, 8, 8)] + [(1, 3, 8, 16, 16)]


def test_frames_that_are_known_stay_as_they_are(configs, latents, moving, run):
    stage = latents("temporal_sr", configs["temporal_sr"])
    low = moving(4, 16, 16)
    video = run(stage, low, range(1, 7), FAST)
    assert torch.equal(video[:, :, 1::2], low[:, :, 1:]) and not torch.equal(video[:, :, ::2], low[:, :, 1:])
    base = latents("base", configs["base"], known=3)
    given = moving(3, 16, 16)
    cascade = Cascade(config=CascadeConfig(name="toy", stages={"base": base.config}), stages=(base,))
    made = cascade.sample(Request(known=(Known(video=given, fps=6.0),)))
    assert torch.equal(made[:, :, :3], given)
    other = cascade.sample(Request(known=(Known(video=given.flip(-1), fps=6.0),)))
    assert (made[:, :, 3:] - other[:, :, 3:]).abs().max() > 1e-3  # and the others follow from them


def test_what_is_known_is_encoded_and_what_is_no_video_is_taken_at_the_end_of_each_group(latents, configs, moving):
    codec, video = latents("base", configs["base"], known=3).codec, moving(8, 16, 16)
    first = Known(video=video, mask=(torch.arange(8) < 3).float()[None, None, :, None, None])
    seen = codec.conditioning(Base(known=3).conditioning(None, 8, known=first))
    assert seen.low_res.shape == (1, 5, 5, 8, 8) and seen.known is None
    assert seen.low_res[0, 4, :, 0, 0].tolist() == [1, 1, 0, 0, 0]  # frame 0, frames 1 and 2
    still = torch.cat((video[:, :, :3], torch.zeros_like(video[:, :, 3:])), dim=2)
    assert torch.equal(seen.low_res[:, :4], codec.encode(still))
    both = codec.conditioning(Conditioning(low_res=torch.cat((video, -video), dim=1), prior=video))
    assert torch.equal(both.low_res, torch.cat((codec.encode(video), codec.encode(-video)), dim=1))
    assert torch.equal(both.prior, codec.encode(video))


def test_a_latent_frame_has_the_moment_and_the_numbers_of_its_groups_end(latents, configs):
    codec = latents("base", configs["base"]).codec
    told = Condition(seconds=torch.arange(8.0)[None], numbers=torch.arange(8.0)[None, :, None])
    found = codec.condition(told)
    assert found.seconds.tolist() == [[0, 2, 4, 6, 7]] == found.numbers[..., 0].tolist()
    assert codec.condition(replace(told, numbers=torch.ones(1, 1, 2))).numbers.shape == (1, 1, 2)


def test_pixels_change_nothing(moving):
    codec, video = Pixels(), moving(8, 16, 16)
    known, told = Conditioning(prior=video), Condition(seconds=torch.zeros(1, 8))
    assert codec.encode(video) is video and codec.conditioning(known) is known and codec.condition(told) is told
    assert codec.grid(range(3, 8), (16, 16)) == (range(3, 8), (16, 16)) and codec.autoencoder is None


def test_latents_lie_on_a_grid_of_their_own(latents, configs):
    codec = latents("base", configs["base"]).codec
    assert isinstance(codec, Latents) and codec.time == 2
    assert codec.grid(range(8), (16, 18)) == (range(5), (8, 9))
    assert codec.grid(range(20, 25), (16, 16)) == (range(10, 13), (8, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 3}, "backbone and latent must agree on channels, got 3 and 4; set both"),
        ({"latent": replace(SMALL, channels=1)}, "latent and shape must agree on channels, got 1 and 3; set both"),
    ],
)
def test_channels_that_do_not_fit_are_refused(configs, change, message):
    config = in_latents(configs["base"])
    with pytest.raises(ValueError, match=message):
        if "channels" in change:
            replace(config, backbone=replace(config.backbone, **change))
        else:
            replace(config, **change)

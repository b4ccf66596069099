"""Our base as a pipeline of diffusers: the same clip, whoever walks."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.interop.pipelines import open_pipeline
from framefall.models import precision
from framefall.noise import Key

pytestmark = [
    pytest.mark.skipif(find_spec("diffusers") is None, reason="the extra framefall[diffusers]"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
PROMPT = "a red ball falls"
CLOSE = 1e-5  # of the range -1..1; the scheduler keeps its sigmas in float32


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """In bfloat16 a last bit that differs moves the clip by what that arithmetic is worth, and tells nothing."""
    monkeypatch.setattr(precision, "fast_dtype", lambda device: torch.float32)


@pytest.fixture(scope="session")
def model(trained):
    """The toy cascade with weights that make something: after a few steps of training all of its clips are grey."""
    cascade = load_cascade(trained)
    generator = torch.Generator().manual_seed(1)
    for name, weight in cascade.stages[0].backbone.named_parameters():
        if not name.endswith("_norm.weight"):
            size = 0.3 if weight.ndim == 1 else weight[0].numel() ** -0.5
            torch.nn.init.normal_(weight, std=size, generator=generator)
    return cascade


@pytest.fixture(scope="session")
def interop():
    """The module that is tested: it loads diffusers, which takes longer than to collect a thousand tests."""
    from framefall.interop import exported

    return exported


@pytest.fixture(scope="session")
def exported(once, model, interop):
    return once("exported", lambda place: interop.export_base(model, place / "pipeline")) / "pipeline"


@pytest.fixture
def pipeline(exported, interop):
    return quiet(interop.CascadePipeline.from_pretrained(exported, use_safetensors=True, local_files_only=True))


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def apart(one, other):
    return float((one - other).abs().max())


def test_it_makes_the_clip_that_we_make_of_a_seed(pipeline, model):
    ours = model.sample(Request(PROMPT, seed=7, until="base"))
    assert apart(pipeline(PROMPT, seed=7, output_type="video").frames, ours) < CLOSE
    assert apart(pipeline(PROMPT, seed=8, output_type="video").frames, ours) > 1000 * CLOSE
    # the control: the scheduler's own grid is another one
    pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, shift=1.5)
    assert apart(pipeline(PROMPT, seed=7, output_type="video").frames, ours) > 10 * CLOSE


@pytest.mark.slow
def test_so_does_the_shipped_model(tmp_path, interop):
    interop.export_base("pico", tmp_path / "pico")
    pipeline = quiet(interop.CascadePipeline.from_pretrained(tmp_path / "pico"))
    ours = load_cascade("pico").sample(Request(PROMPT, seed=7, until="base"))
    assert apart(pipeline(PROMPT, seed=7, output_type="video").frames, ours) < CLOSE < float(ours.std())


def test_steps_and_guidance_are_those_of_ours(pipeline, model):
    cascade = model
    base = cascade.stages[0]
    fast = replace(base.config.fast, steps=6)
    stage = replace(base, config=replace(base.config, fast=fast))
    ours = replace(cascade, stages=(stage, *cascade.stages[1:])).sample(
        Request(PROMPT, seed=7, until="base", guidance=3.0)
    )
    found = pipeline(PROMPT, seed=7, num_inference_steps=6, guidance_scale=3.0, output_type="video").frames
    assert apart(found, ours) < CLOSE
    alone = pipeline(PROMPT, seed=7, num_inference_steps=6, guidance_scale=1.0, output_type="video").frames
    assert apart(alone, ours) > CLOSE


def test_given_noise_is_where_it_begins_and_clips_do_not_depend_on_each_other(pipeline):
    shape = pipeline.network.settings.shape
    noise = torch.randn(2, shape.channels, shape.frames, shape.height, shape.width)
    both = pipeline([PROMPT, "a cup"], latents=noise, output_type="video").frames
    alone = pipeline("a cup", latents=noise[1:], output_type="video").frames
    assert apart(both[1:], alone) < CLOSE < apart(both[:1], alone)
    frames = pipeline(PROMPT, latents=noise[:1]).frames
    assert frames.shape == (1, shape.frames, shape.height, shape.width, 3) and 0 <= frames.min() <= frames.max() <= 1


def test_the_folder_holds_no_code_and_no_pickle(exported):
    kinds = {path.suffix for path in exported.rglob("*") if path.is_file()}
    assert kinds == {".json", ".safetensors"}


def test_an_exported_base_is_a_base_again(exported, model):
    found = open_pipeline(exported)
    assert found.fps == model.stages[0].config.shape.fps
    *steps, clip = found.clip(PROMPT, Key(0, "pipeline"), steps=3)
    assert [done for done, _ in steps] == [1, 2, 3] and clip.shape[1] == 3


def test_what_is_no_such_flow_is_refused(model, tmp_path, interop):
    cascade = model
    upper = replace(cascade, stages=cascade.stages[1:])
    with pytest.raises(ValueError, match="must begin with a base"):
        interop.export_base(upper, tmp_path / "x")
    base = cascade.stages[0]
    other = replace(base, config=replace(base.config, process="cosine"))
    with pytest.raises(ValueError, match="must be a rectified flow"):
        interop.export_base(replace(cascade, stages=(other, *cascade.stages[1:])), tmp_path / "x")
    assert not (tmp_path / "x").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(ValueError, match="never replaced"):
        interop.export_base(cascade, tmp_path / "mine")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"num_frames": 1000}, "frames must be 1 to"),
        ({"height": 20}, "size must be one that the model was trained on"),
        ({"latents": torch.zeros(1, 3, 1, 1, 1)}, "latents must have shape"),
        ({"output_type": "pil"}, "output_type must be np, pt or video"),
    ],
)
def test_what_it_cannot_make_is_said(pipeline, asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        pipeline(PROMPT, **asked)

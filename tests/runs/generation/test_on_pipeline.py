"""A pipeline of diffusers, and the toy cascade's super-resolution on its clip: from the command line to the file."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from framefall.cascade.request import Request
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.interop.pipelines import open_pipeline
from framefall.noise import Key
from framefall.runs.generation.on_pipeline import FAST, generate_on
from framefall.runs.generation.tags import read_made
from framefall.video import to_frames

pytestmark = [
    pytest.mark.skipif(find_spec("diffusers") is None, reason="the extra framefall[diffusers]"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="session")
def wan(once):
    from tiny_pipelines import build

    return once("pipeline-wan", lambda place: build("wan", place))


def test_a_clip_is_the_pipelines_own_made_longer_and_larger(wan, trained, tmp_path):
    request = Request("a red ball falls", seed=7, frames=8, size=(32, 32))
    (record,) = generate_on(request, tmp_path / "a.npy", wan, trained)
    cascade = load_cascade(trained)
    assert (record.frames, record.height, record.width, record.fps) == (8, 32, 32, 16 * 2)
    made = np.load(tmp_path / "a.npy")
    pipeline = open_pipeline(wan)
    *_, small = pipeline.clip(
        "a red ball falls", Key(7, "pipeline", "0"), frames=5, size=(16, 16), steps=FAST
    )  # 8 frames lie within 4 intervals of 2
    names = [stage.name for stage in cascade.stages[1:]]
    events = cascade.upscale(iter([small]), stages=names, fps=16.0, seed=7, clip="0")
    large = torch.cat([e.video for e in events if e.stage and e.stage.name == names[-1] and e.video is not None], dim=2)
    assert np.array_equal(made, to_frames(large[:, :, :8]))
    (again,) = generate_on(request, tmp_path / "b.npy", wan, trained)
    assert np.array_equal(np.load(tmp_path / "b.npy"), made) and again.made_with == record.made_with
    generate_on(Request("a red ball falls", seed=8, frames=8, size=(32, 32)), tmp_path / "c.npy", wan, trained)
    assert not np.array_equal(np.load(tmp_path / "c.npy"), made)


def test_the_command_makes_and_measures_it_and_the_file_says_how(framefall, wan, trained, tmp_path):
    out = tmp_path / "cup.mp4"
    common = ["--base", wan, "--model", trained, "--frames", "8", "--size", "32x32", "--seed", "3"]
    said = framefall("generate", "a cup turns", "-o", out, *common, "--report", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["clips"][0]["frames"] == 8 and told["reports"]
    made = read_made(out)
    assert made["base"]["pipeline"] == "WanPipeline" and made["base"]["sha256"] == open_pipeline(wan).sha256
    assert str(wan.parent) not in json.dumps(made)
    again = framefall("generate", "--like", out)
    assert again.code and "was made on a pipeline of diffusers" in again.err and "Traceback" not in again.err


def test_the_pipelines_own_clip_is_kept_by_until_base(framefall, wan, trained, tmp_path):
    out = tmp_path / "small.npy"
    asked = ["--base", wan, "--model", trained, "--until", "base", "--frames", 5, "--size", "16x16"]
    said = framefall("generate", "a cup", "-o", out, *asked)
    assert said.code == 0, said.err
    assert np.load(out).shape == (5, 16, 16, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--base", "{tmp}/nothing"], "must be a folder with a model_index.json"),
        (["--base", "{model}"], "must be a folder with a model_index.json"),
        (["--base", "{wan}", "--image", "a.png"], "--base takes no --image"),
        (["--base", "{wan}", "-o", "{tmp}/x.png"], "is one picture, and the video has more frames"),
        (["--base", "{wan}", "--loop"], "takes no loop"),
        (["--base", "{wan}", "--size", "33x32"], "size must be a multiple of 2"),
        (["--base", "{wan}", "--size", "18x18"], "cannot make what is asked of it"),
        (["--base", "{wan}", "--guidance", "scale=4,rescale=0.7"], "a scale of guidance alone"),
        (["--base", "{wan}", "--until", "no"], "a stage must be one of base, temporal_sr, spatial_sr"),
    ],
)
def test_what_it_cannot_be_asked_is_said_in_one_sentence(framefall, wan, trained, tmp_path, arguments, sentence):
    told = [one.format(tmp=tmp_path, wan=wan, model=trained) for one in arguments]
    said = framefall("generate", "a cup", "-o", tmp_path / "x.mp4", "--model", trained, *told)
    assert said.code != 0 and sentence in said.err and "Traceback" not in said.err
    assert not (tmp_path / "x.mp4").exists()

"""Pipelines that diffusers itself built and saved, with random weights; folders that are none, or would run code."""

import json
import shutil
import sys
from importlib.util import find_spec

import pytest
import torch

from framefall.interop.pipelines import INDEX, open_pipeline
from framefall.noise import Key

pytestmark = [
    pytest.mark.skipif(find_spec("diffusers") is None, reason="the extra framefall[diffusers]"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
NAMES = ("wan", "text_to_video_sd")
SMALL = {"frames": 5, "size": (16, 16), "steps": 2}


@pytest.fixture(scope="session")
def built(once):
    from tiny_pipelines import build

    return lambda name: once(f"pipeline-{name}", lambda place: build(name, place))


@pytest.fixture(params=NAMES)
def pipeline(request, built):
    return open_pipeline(built(request.param))


@pytest.fixture
def odd(built, tmp_path):
    """A copy of a folder whose index says something else."""

    def make(**changes):
        shutil.copytree(built("wan"), tmp_path / "odd")
        if changes:
            index = json.loads((tmp_path / "odd" / INDEX).read_text())
            (tmp_path / "odd" / INDEX).write_text(json.dumps(index | changes))
        return tmp_path / "odd"

    return make


def test_a_pipeline_makes_the_same_clip_of_a_key_and_another_of_another(pipeline):
    *steps, clip = pipeline.clip("a red ball falls", Key(7, "pipeline", "0"), **SMALL)
    assert steps == [(1, 2), (2, 2)]
    assert clip.shape == (1, 3, 5, 16, 16) and -1 <= float(clip.min()) < float(clip.max()) <= 1
    *_, again = pipeline.clip("a red ball falls", Key(7, "pipeline", "0"), **SMALL)
    assert torch.equal(again, clip)
    *_, other = pipeline.clip("a red ball falls", Key(7, "pipeline", "1"), **SMALL)
    assert not torch.equal(other, clip)


def test_a_pipeline_is_stopped_between_its_steps(pipeline):
    asked = []
    network = getattr(pipeline.pipeline, "transformer", None) or pipeline.pipeline.unet
    network.register_forward_hook(lambda *_: asked.append(1))
    events = pipeline.clip("a cup", Key(0, "pipeline"), frames=5, size=(16, 16), steps=50)
    assert next(events) == (1, 50)
    events.close()  # waits for the thread, which would ask it 100 times
    assert 0 < len(asked) < 100


def test_a_pipeline_makes_no_fewer_frames_than_are_needed(built):
    wan = open_pipeline(built("wan"))
    assert [wan.at_least(frames) for frames in (1, 2, 5, 6)] == [1, 5, 5, 9]
    assert wan.fps == 16 and open_pipeline(built("text_to_video_sd")).fps == 8


def test_the_hash_of_a_folder_is_that_of_its_weights(built, odd):
    ours = open_pipeline(built("wan"))
    copy = odd()
    assert open_pipeline(copy).sha256 == ours.sha256
    (file,) = (copy / "transformer").glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert open_pipeline(copy).sha256 != ours.sha256


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"_class_name": "NoSuchPipeline"}, "must hold a pipeline of diffusers"),
        ({"_class_name": ["pipeline", "Mine"]}, "must hold a pipeline of diffusers"),
        ({"_class_name": "AutoencoderKLWan"}, "must hold a pipeline of diffusers"),
        ({"_class_name": "StableDiffusionPipeline"}, "must make videos of a prompt"),
        ({"transformer": ["os", "system"]}, "could run code of its own"),
        ({"transformer": ["diffusers", "NoSuchNetwork"]}, "cannot be loaded as a WanPipeline"),
    ],
)
def test_a_folder_that_is_none_is_refused_in_one_sentence(odd, changes, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        open_pipeline(odd(**changes))
    assert "\n" not in str(refused.value)


def test_pickled_weights_are_never_read(odd):
    copy = odd()
    (file,) = (copy / "transformer").glob("*.safetensors")
    file.unlink()
    marker = copy / "ran"
    (copy / "transformer" / "diffusion_pytorch_model.bin").write_bytes(
        b"cos\nmkdir\n(S'" + str(marker).encode() + b"'\ntR."
    )
    with pytest.raises(ValueError, match="cannot be loaded as a WanPipeline") as refused:
        open_pipeline(copy)
    assert "\n" not in str(refused.value) and not marker.exists()
    import pickle

    pickle.loads((copy / "transformer" / "diffusion_pytorch_model.bin").read_bytes())
    assert marker.exists()  # reading them would have run it


def test_without_its_library_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match=r"pip install 'framefall\[diffusers\]'"):
        open_pipeline(tmp_path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", '{"_class_name": 1}'])
def test_an_index_that_is_none_is_refused_in_one_sentence(tmp_path, text):
    with pytest.raises(ValueError, match=f"must be a folder with a {INDEX}"):
        open_pipeline(tmp_path)
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ValueError) as refused:
        open_pipeline(tmp_path)
    assert "\n" not in str(refused.value)

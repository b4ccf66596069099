"""A clip made again from its file: the same bytes, or a sentence that says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from framefall.cascade.request import Request
from framefall.cascade.saved import formats
from framefall.cascade.saved.checkpoint import fingerprint, load_cascade, save
from framefall.data.media.tags import read_tags
from framefall.data.media.writer import WRITERS, write
from framefall.progress import Note
from framefall.runs.generation.generate import generate
from framefall.runs.generation.given import Given
from framefall.runs.generation.remake import remake


@pytest.fixture(scope="module")
def model(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy with weights moved by noise: after a few steps it would make nothing but grey."""
    cascade, generator = load_cascade(trained), torch.Generator().manual_seed(0)
    for stage in cascade.stages:
        for parameter in stage.backbone.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    folder = tmp_path_factory.mktemp("moved") / "toy"
    save(cascade, folder)
    return folder


@pytest.fixture
def here(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model in it, which is the current one."""
    shutil.copytree(model, tmp_path / "toy")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(path: Path) -> dict[str, bytes]:
    """All bytes of a file, or of a folder."""
    return {"": path.read_bytes()} if path.is_file() else {one.name: one.read_bytes() for one in path.iterdir()}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_clip_made_again_is_the_same_bytes(suffix: str, here: Path) -> None:
    generate(Request("a man talks", seed=7, frames=5, until="base"), f"a{suffix}", "toy")
    remake(f"a{suffix}", f"b{suffix}")
    assert content(here / f"a{suffix}") == content(here / f"b{suffix}")
    assert read_tags(f"a{suffix}")["comment"] == read_tags(f"b{suffix}")["comment"]
    remake(f"a{suffix}", f"c{suffix}", changes={"seed": 8})
    assert content(here / f"a{suffix}") != content(here / f"c{suffix}")  # the control


def test_all_that_was_asked_for_is_asked_for_again(here: Path) -> None:
    request = Request(("a man talks", None, "dogs"), seed=3, seconds=0.8, quality="best", guidance=2.0)
    generate(request, "a.npy", "toy")
    (record,) = remake("a-002.npy")
    assert record.path == "a-002-again.npy"
    assert np.array_equal(np.load("a-002.npy"), np.load("a-002-again.npy"))
    assert not np.array_equal(np.load("a-000.npy"), np.load("a-002-again.npy"))


def test_a_model_is_found_beside_the_file_or_where_one_says(here: Path, model: Path, monkeypatch) -> None:
    generate(Request(until="base"), "a.npy", here / "toy")
    assert json.loads(read_tags("a.npy")["comment"])["model"] == "toy"  # not where it lies
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    remake("../a.npy", "b.npy")
    shutil.move(here / "toy", here / "moved")
    with pytest.raises(ValueError, match="made by a model 'toy', which is not here; say where it is with --model"):
        remake("../a.npy", "c.npy")
    remake("../a.npy", "c.npy", here / "moved")
    assert (here / "a.npy").read_bytes() == Path("b.npy").read_bytes() == Path("c.npy").read_bytes()
    assert read_tags("c.npy") == read_tags("../a.npy")


def test_another_model_is_refused_unless_it_is_chosen(here: Path, trained: Path) -> None:
    generate(Request(until="base"), "a.npy", "toy")
    shutil.rmtree("toy")
    shutil.copytree(trained, "toy")
    with pytest.raises(ValueError, match="with other weights or settings than the one that is here"):
        remake("a.npy", "b.npy")
    assert not Path("b.npy").exists()
    notes = [event.text for event in remake.events("a.npy", "b.npy", "toy") if isinstance(event, Note)]
    assert notes[0] == "a.npy was made by another model than toy: this is another clip"


def test_a_clip_with_a_fingerprint_of_before_is_of_its_model(here: Path) -> None:
    """Until 30 November 2026 fingerprints were of every field."""
    generate(Request(until="base"), "a.npy", "toy")
    tags = read_tags("a.npy")
    made = json.loads(tags["comment"])
    for config, refused in ((formats.before, False), (lambda stage: formats.before(stage) + " ", True)):
        old = fingerprint(load_cascade("toy"), config)
        assert old != made["model_sha256"]
        write("b.npy", [np.load("a.npy")], 6.0, {**tags, "comment": json.dumps({**made, "model_sha256": old})})
        if refused:
            with pytest.raises(ValueError, match="with other weights or settings"):
                remake("b.npy", "c.npy", overwrite=True)
            continue
        remake("b.npy", "c.npy")
        assert np.array_equal(np.load("c.npy"), np.load("a.npy"))
        assert json.loads(read_tags("c.npy")["comment"])["model_sha256"] == made["model_sha256"]


def test_other_versions_and_machines_are_said_and_stop_nothing(here: Path) -> None:
    generate(Request(until="base"), "a.npy", "toy")
    tags = read_tags("a.npy")
    made = json.loads(tags["comment"])
    made["versions"]["torch"], made["machine"]["processor"] = "1.0", "abacus"
    write("b.npy", [np.load("a.npy")], 6.0, {**tags, "comment": json.dumps(made)})
    notes = [event.text for event in remake.events("b.npy") if isinstance(event, Note)]
    assert notes[0].startswith("b.npy was made elsewhere (torch 1.0, now ") and "processor abacus, now " in notes[0]
    assert np.array_equal(np.load("b-again.npy"), np.load("a.npy"))
    assert len([one for one in remake.events("a.npy", "c.npy") if isinstance(one, Note)]) == 1  # nothing but the record


def test_a_clip_cannot_be_made_again_over_itself_nor_without_what_was_given(here: Path) -> None:
    generate(Request(until="base"), "a.npy", "toy")
    with pytest.raises(ValueError, match="is never replaced"):
        remake("a.npy", here / "a.npy")
    tags = read_tags("a.npy")
    made = json.loads(tags["comment"])
    video = {"sha256": "0" * 64, "shape": [1, 3, 2, 64, 64], "dtype": "float32"}
    made["request"]["known"] = [{"object": "Known", "video": video}]
    write("b.npy", [np.load("a.npy")], 6.0, {**tags, "comment": json.dumps(made)})
    with pytest.raises(ValueError, match=r"b\.npy cannot be made again: known.video \(1x3x2x64x64 numbers"):
        remake("b.npy", "c.npy")


def test_a_clip_of_a_batch_says_so_and_alone_is_the_same_up_to_rounding(here: Path) -> None:
    generate(Request("a man talks", count=3, until="base"), "a.npy", "toy", batch=2)
    batches = [json.loads(read_tags(f"a-00{index}.npy")["comment"]).get("batch") for index in range(3)]
    assert batches == [2, 2, None]
    notes = [event.text for event in remake.events("a-001.npy", "b.npy") if isinstance(event, Note)]
    assert notes[0] == "a-001.npy was made in a batch of 2: alone it may differ in its last bits"
    assert np.abs(np.load("b.npy").astype(int) - np.load("a-001.npy").astype(int)).max() <= 1


def test_the_command_line_makes_clips_again(here: Path, framefall: Callable) -> None:
    assert (
        framefall("generate", "a man talks", "-o", "a.mp4", "--model", "toy", "--seed", 7, "--until", "base").code == 0
    )
    assert framefall("generate", "--like", "a.mp4").code == 0
    assert Path("a-again.mp4").read_bytes() == Path("a.mp4").read_bytes()
    said = framefall("generate", "--like", "a.mp4", "-o", "b.mp4", "--seed", 8, "--guidance", 2, "--json")
    made = json.loads(json.loads(said.out)["clips"][0]["made_with"]["comment"])
    assert said.code == 0 and made["request"] == {
        "prompt": ["a man talks"], "seed": 8, "until": "base", "guidance": {"settings": {"scale": 2.0}}, "names": ["0"],
    }  # fmt: skip
    (here / "c.mp4").write_text("words")
    refused = framefall("generate", "--like", "c.mp4")
    assert refused.code == 1 and "does not begin like any of the kinds" in refused.err


def test_what_files_gave_is_given_again_and_must_be_as_it_was(here: Path) -> None:
    video = np.zeros((4, 16, 16, 3), np.uint8)
    video[:, 4:8] = 200
    write("start.mkv", [video], 6.0)
    generate(Request(until="base"), "a.npy", "toy", given=Given(video="start.mkv"))
    remake("a.npy", "b.npy")
    assert np.array_equal(np.load("a.npy"), np.load("b.npy"))
    generate(Request(until="base"), "c.npy", "toy")
    assert not np.array_equal(np.load("a.npy")[:8], np.load("c.npy"))  # the control
    write("start.mkv", [255 - video], 6.0)
    with pytest.raises(ValueError, match=r"start\.mkv must be there as it was when it was given; give it again"):
        remake("a.npy", "d.npy")
    remake("a.npy", "d.npy", given=Given(video="start.mkv"))

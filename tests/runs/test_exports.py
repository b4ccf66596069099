"""Exported networks, run by the examples that a user would run."""

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

from examples import examples
from framefall.cascade.cascade import Cascade
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.saved.graphs import FORMATS, TOLERANCE, example
from framefall.cascade.stage import Stage
from framefall.models.experts import ExpertsConfig
from framefall.models.registry import build
from framefall.models.transformer import TransformerConfig
from framefall.models.unet import UNetConfig
from framefall.progress import Note
from framefall.runs import exports
from framefall.runs.exports import export

RUNNERS = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def small(trained: Path) -> Cascade:
    """Its first stage alone, unless all are to be tried."""
    cascade = load_cascade(trained)
    count = examples(1, 3)
    stages = cascade.stages[:count]
    config = replace(cascade.config, stages={one.name: one.config for one in stages})
    return Cascade(config=config, stages=stages)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # compilers of others: a minute of a core, which a busy machine may stretch to many
@pytest.mark.parametrize("format", list(FORMATS))
@pytest.mark.filterwarnings("ignore")
def test_an_exported_model_makes_the_same_clip(
    format: str, small: Cascade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in FORMATS[format].packages:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'framefall[export]'")
    made = export(small, tmp_path / "out", format, prompt="a ball falls")
    for stage in small.stages:
        found = made.stages[stage.name]
        assert found.distance <= TOLERANCE and found.theirs_ms > 0
        runner = RUNNERS / "run_exported.py"
        assert sum(bool(line.strip()) for line in runner.read_text().splitlines()) <= 53  # for all three formats
        monkeypatch.setattr(sys, "argv", [str(runner), str(tmp_path / "out"), stage.name, str(tmp_path / "clip.npy")])
        runpy.run_path(str(runner), run_name="__main__")
        clip, ours = np.load(tmp_path / "clip.npy"), np.load(tmp_path / "out" / f"{stage.name}.npz")["clip"]
        assert np.abs(clip - ours).max() <= TOLERANCE and ours.std() > 0
        assert "largest difference from Framefall's own clip" in capsys.readouterr().out
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert about["format"] == format and about["stages"].keys() == made.stages.keys()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_two_experts_are_one_graph_of_one_size_that_takes_each_times_own(small: Cascade, tmp_path: Path) -> None:
    base = small.stages[0].config
    told = {"text_dim": base.backbone.text_dim, "words": base.backbone.words}
    network = ExpertsConfig(
        noisy=TransformerConfig(dim=32, depth=1, heads=1, patch=(1, 8, 8), **told),
        clean=UNetConfig(dim=32, multipliers=(1, 1), blocks=(1, 1), unshuffle=2, spatial_from=1, **told),
    )
    made = build(network).eval()
    with torch.no_grad():  # what begins at zero says nothing
        for weight in made.parameters():
            weight.add_(0.05)
    stage = Stage(name="base", config=replace(base, backbone=network), backbone=made)
    both = Cascade(config=replace(small.config, stages={"base": stage.config}), stages=(stage,))
    *notes, last = export.events(both, tmp_path / "out", "torch-export")
    found = last.result.stages["base"]  # type: ignore[union-attr]
    assert found.distance <= TOLERANCE and not found.free_sizes
    assert any("(8, 16, 16) alone (a graph of two experts" in note.text for note in notes if isinstance(note, Note))
    tried = example(stage, None, None)
    run = FORMATS["torch-export"].load(tmp_path / "out" / found.file, ("x_t", "t", *found.inputs))
    for time_, expert, other in ((0.9, made.noisy, made.clean), (0.1, made.clean, made.noisy)):  # type: ignore[union-attr]
        given = {**tried.arrays(), "t": tried.t(time_).numpy()}
        x0, wrong = (
            replace(stage, backbone=one).x0(tried.start, tried.t(time_), tried.condition).detach().numpy()
            for one in (expert, other)
        )
        assert np.abs(run(given) - x0).max() <= TOLERANCE < np.abs(wrong - x0).max()  # the control: they differ


@pytest.mark.filterwarnings("ignore")
def test_what_is_further_off_is_not_published(small: Cascade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = FORMATS["torch-export"]

    def wrong(path: Path, names: tuple[str, ...]) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
        run = form.load(path, names)
        return lambda given: run(given) + 2 * TOLERANCE

    first = replace(small, stages=small.stages[:1])
    monkeypatch.setitem(exports.FORMATS, "torch-export", replace(form, load=wrong))
    monkeypatch.setattr(exports, "program", lambda stage, tried, free=False: _PROGRAM(stage, tried, free=False))
    with pytest.raises(RuntimeError, match=r"differs from ours by 0\.002"):
        export(first, tmp_path / "out", "torch-export")
    assert not (tmp_path / "out").exists()


_PROGRAM = exports.program


def test_a_missing_extra_and_an_unknown_format_are_refused_in_a_sentence(
    small: Cascade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="format must be one of onnx, openvino, torch-export; got 'tflite'"):
        export(small, tmp_path / "out", "tflite")
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"needs onnx, onnxscript, onnxruntime: pip install 'framefall\[export\]'"):
        export(small, tmp_path / "out", "onnx")
    assert torch.is_tensor(small.stages[0].backbone.state_dict().popitem()[1]) and not (tmp_path / "out").exists()

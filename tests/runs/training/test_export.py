import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from formats_before import flat
from framefall import publish
from framefall.cascade.about.card import StageCard
from framefall.cascade.saved.checkpoint import load_cascade
from framefall.cascade.saved.tensors import read_tensors
from framefall.runs.training.export import export
from framefall.runs.training.knowledge import NOTES


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the folder in which the toy's base was trained."""
    return Path(shutil.copytree(trained.with_name("toy.training") / "base", tmp_path / "copy.training" / "base"))


def test_what_is_taken_out_of_a_run_is_what_its_end_published(run: Path, trained: Path, tmp_path: Path) -> None:
    found = export(run, tmp_path / "out", description="halfway", trained_on=("two clips",), dtype=torch.bfloat16)
    assert (found.stage, found.step, found.clips) == ("base", 4, 16) and found.minutes > 0
    publish.verify(tmp_path / "out")
    cascade = load_cascade(tmp_path / "out")
    assert [stage.name for stage in cascade.stages] == ["base"]
    assert cascade.config.description == "halfway" and cascade.config.trained_on == ["two clips"]
    ours, theirs = (read_tensors(folder / "base.safetensors") for folder in (tmp_path / "out", trained))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    raw = read_tensors(run / "checkpoints" / "00000004" / "tensors.safetensors")
    current = raw["network.norm_out.linear.weight"].bfloat16().float()
    assert not torch.equal(ours["norm_out.linear.weight"], current)  # the control: the last step's are others


def test_the_card_of_what_is_taken_out_is_that_of_its_end(run: Path, trained: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "out", failures=["It is grey."])
    card, end = (load_cascade(one).card for one in (tmp_path / "out", trained))
    assert card is not None and end is not None
    part = end.stages["base"]
    assert card.stages == {"base": replace(part, failures=[*part.failures, "It is grey."])}
    (run / NOTES).unlink()  # a run of before there were cards
    export(run, tmp_path / "silent")
    assert load_cascade(tmp_path / "silent").card is None
    export(run, tmp_path / "told", knows=StageCard(sources=["two clips"], captioned=2, seen=1000))
    told = load_cascade(tmp_path / "told").card
    assert told is not None and told.stages["base"].seen == 1016 and told.stages["base"].scores == part.scores


def test_a_run_that_goes_on_gives_its_newest_whole_checkpoint(run: Path, tmp_path: Path) -> None:
    path = run / "checkpoints" / "00000004" / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert export(run, tmp_path / "out").step == 2
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(ValueError, match="must hold a whole checkpoint, found none"):
        export(run, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_other_stages_of_a_model_keep_their_weights(run: Path, trained: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(trained, tmp_path / "toy"))
    before = publish.sha256(model / "spatial_sr.safetensors")
    export(run, model)
    assert publish.sha256(model / "spatial_sr.safetensors") == before
    assert [stage.name for stage in load_cascade(model).stages] == ["base", "temporal_sr", "spatial_sr"]


def test_a_recipe_of_the_first_format_is_read(run: Path, tmp_path: Path) -> None:
    values = json.loads((run / "recipe.json").read_text())
    for part in values["stages"].values():
        part["stage"] = flat(part["stage"])
    (run / "recipe.json").write_text(json.dumps(values))
    assert export(run, tmp_path / "out").step == 4


def test_what_is_no_run_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a run must be a folder MODEL\.training/STAGE"):
        export(trained, tmp_path / "out")
    odd = tmp_path / "odd"
    shutil.copytree(trained.with_name("toy.training") / "base", odd)
    with pytest.raises(ValueError, match=r"called after its stage \(base, temporal_sr, spatial_sr\), got 'odd'"):
        export(odd, tmp_path / "out")

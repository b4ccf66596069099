"""`framefall pair` from the command line: what it makes draws fast, and what is no pair is a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

from framefall import publish
from framefall.data.folder import Folder
from framefall.runs.training.distill import distill


def test_two_models_become_one_from_the_command_line(
    trained: Path, folder: Folder, tmp_path: Path, framefall: Callable
) -> None:
    distill(trained, tmp_path / "few", folder, steps=1, settings=("distillation.steps=2",))
    said = framefall("pair", trained, tmp_path / "few", "-o", tmp_path / "both", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["model"] == str(tmp_path / "both") and "draws fast with the base of" in said.err
    publish.verify(tmp_path / "both")
    made = framefall("generate", "a ball", "-o", tmp_path / "a.mp4", "--model", tmp_path / "both", "--device", "cpu")
    assert made.code == 0, made.err
    listed = framefall("models", tmp_path / "both")
    assert listed.code == 0 and "base" in listed.out


def test_a_model_that_is_not_distilled_is_a_sentence(trained: Path, tmp_path: Path, framefall: Callable) -> None:
    said = framefall("pair", trained, trained, "-o", tmp_path / "both")
    assert said.code == 1 and "must be distilled" in said.err and "Traceback" not in said.err
    assert not (tmp_path / "both").exists()

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow  # so it is in `runs/training/test_distill.py`
def test_a_model_is_distilled_and_generates(trained: Path, clips: Path, framefall: Callable, tmp_path: Path) -> None:
    options = ["--source", clips, "--steps", 2, "--set", "distillation.steps=4", "--json"]
    said = framefall("distill", trained, "-o", tmp_path / "fast", *options)
    assert said.code == 0 and "makes its base in few steps" in said.err
    found = json.loads(said.out)
    assert (found["stage"], found["method"], found["steps"]) == ("base", "flow_map", 2)
    assert set(found["distances"]["4"]) == {"student", "teacher"}
    said = framefall("generate", "a ball", "-o", tmp_path / "a.mp4", "--model", tmp_path / "fast")
    assert said.code == 0 and (tmp_path / "a.mp4").exists()


REFUSED = [
    ("distill {trained} -o {there}/m --stage spatial_sr", 1, "flow_map needs a transformer or a U-Net"),
    ("distill {trained} -o {there}/m", 1, "a source of clips must be given"),
    ("distill {trained} -o {there}/m --source {there}/none", 1, "the source must be a folder of videos or images"),
    ("distill nothing -o {there}/m", 1, "a model must be a folder or a shipped name"),
    ("distill {trained} -o {there}/m --method magic", 2, "'magic' is not one of"),
    ("distill {trained} -o {there}/m --steps 0", 2, "--steps"),
    ("distill {trained}", 2, "Missing option '--output'"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_a_refusal_is_one_sentence_and_an_exit_code(line: str, code: int, sentence: str, refused: Callable) -> None:
    refused(line, code, sentence)

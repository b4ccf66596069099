"""`framefall reinforce` from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

from framefall import publish


def test_a_base_is_improved_by_the_judge_from_the_command_line(
    trained: Path, tmp_path: Path, framefall: Callable
) -> None:
    small = ("prompts=1", "drafts=2", "batch=2", "truths=0", "passes=1", "sampling.steps=1")
    settings = [word for one in small for word in ("--set", f"reinforcement.{one}")]
    output = tmp_path / "better"
    said = framefall(
        "reinforce",
        trained,
        "-o",
        output,
        "--source",
        "fall:8",
        "--rounds",
        "1",
        *settings,
        "--json",
        "--device",
        "cpu",
    )
    assert said.code == 0, said.err
    assert json.loads(said.out)["rounds"] == 1 and "log, checkpoints and sample strips are in" in said.err
    publish.verify(output)


def test_a_model_that_is_not_there_is_a_sentence(tmp_path: Path, framefall: Callable) -> None:
    said = framefall("reinforce", tmp_path / "nothing", "-o", tmp_path / "better")
    assert said.code != 0 and "nothing" in said.err and "Traceback" not in said.err

"""The command line as a whole: help, what it loads, usage that no command has."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

from framefall.cli import app

COMMANDS = sorted(typer.main.get_command(app).commands)


def child(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """A fresh interpreter: what another test imported does not count."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


LOADED = """
import json, sys
from framefall.cli import main
try:
    main()
finally:
    heavy = ("torch", "numpy", "av", "cv2", "transformers", "torch._dynamo", "sympy", "scipy", "matplotlib", "skimage")
    print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], [], ["train", "--help"], ["generate", "-h"]], ids=str)
def test_help_is_there_at_once_and_loads_nothing_heavy(arguments: list[str]) -> None:
    said = child(LOADED, *arguments)
    assert said.returncode == 0 and "Usage: " in said.stdout
    assert json.loads(said.stderr) == []


def test_a_clip_costs_no_import_that_it_does_not_need(trained: Path, tmp_path: Path) -> None:
    """A compiler, or the library of all networks, takes longer to import than a small clip takes to make.

    That the libraries which it does need are seen is the control of the test above.
    """
    arguments = ["generate", "a ball falls", "-o", tmp_path / "a.mp4", "--model", trained, "--device", "cpu"]
    said = child(LOADED, *arguments)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stderr.splitlines()[-1]) == ["torch", "numpy", "av", "cv2"]


def test_every_command_has_help_with_an_example(framefall: Callable) -> None:
    assert COMMANDS == [
        "bench",
        "compare",
        "diagnose",
        "distill",
        "evaluate",
        "export",
        "generate",
        "lesson",
        "merge",
        "models",
        "pair",
        "plan",
        "prepare",
        "reinforce",
        "studio",
        "train",
        "upscale",
        "verify",
        "worlds",
    ]
    for name in COMMANDS:
        said = framefall(name, "--help")
        assert said.code == 0 and said.err == "" and f"framefall {name} " in said.out
        assert "--json" in said.out


@pytest.mark.parametrize(("line", "sentence"), [("--nonsense", "No such option"), ("dream", "No such command")])
def test_what_no_command_knows_is_bad_usage(line: str, sentence: str, framefall: Callable) -> None:
    said = framefall(line)
    assert said.code == 2 and said.out == ""
    assert said.err.startswith("framefall: ") and sentence in said.err and said.err.count("\n") == 1

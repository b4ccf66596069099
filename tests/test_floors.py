"""The floors of the package, and that the tool which checks them would notice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package by itself, and the contracts."""
    shutil.copytree(
        ROOT / "src" / "framefall", tmp_path / "framefall", ignore=shutil.ignore_patterns("weights", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(root: Path) -> "subprocess.CompletedProcess[str]":
    # the current folder stands first on Python's path, so that the copy is checked and not the installed package
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120
    )


def test_every_floor_imports_only_lower_floors(copy: Path) -> None:
    said = lint(copy)
    assert said.returncode == 0, said.stdout


UPWARD = [
    ("video.py", "framefall.layers.tokens"),
    ("layers/tokens.py", "framefall.diffusion.process"),
    ("diffusion/process.py", "framefall.models.backbone"),
    ("train/recipe.py", "framefall.evaluate.suite"),
    ("cascade/stage.py", "framefall.train.optim"),
    ("recipes/strips.py", "framefall.cli"),
]


@pytest.mark.parametrize(("module", "imported"), UPWARD)
def test_an_import_that_goes_up_is_noticed(module: str, imported: str, copy: Path) -> None:
    with open(copy / "framefall" / module, "a") as stream:
        stream.write(f"\nimport {imported}\n")
    said = lint(copy)
    assert said.returncode == 1 and "BROKEN" in said.stdout and imported in said.stdout


def test_a_room_without_a_floor_is_noticed(copy: Path) -> None:
    (copy / "framefall" / "utils.py").write_text("")
    said = lint(copy)
    assert said.returncode == 1 and "framefall.utils" in said.stdout

"""The floors of the package, and that the tool which checks them would notice."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples import examples

ROOT = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package by itself, and the contracts."""
    shutil.copytree(
        ROOT / "src" / "framefall",
        tmp_path / "framefall",
        ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"),
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
    ("train/recipe.py", "framefall.evaluate.metrics.suite"),
    ("cascade/stage.py", "framefall.train.optim"),
    ("runs/training/strips.py", "framefall.cli"),
]


# from the lowest floor and from the highest, and from all of them by FRAMEFALL_FULL
@pytest.mark.parametrize(("module", "imported"), UPWARD[:: examples(5, 1)])
def test_an_import_that_goes_up_is_noticed(module: str, imported: str, copy: Path) -> None:
    with open(copy / "framefall" / module, "a") as stream:
        stream.write(f"\nimport {imported}\n")
    said = lint(copy)
    assert said.returncode == 1 and "BROKEN" in said.stdout and imported in said.stdout


def test_a_circle_of_imports_would_be_noticed() -> None:
    package = ROOT / "src" / "framefall"
    imports = {module_name(path, package): imported(path) for path in package.rglob("*.py")}
    del imports["framefall"]  # it looks its public names up when they are used
    assert circle(imports) is None
    assert circle({**imports, "framefall.noise": {"framefall.worlds.shapes"}}) is None  # it is no circle to look up
    upward = {**imports, "framefall.noise": {"framefall.runs.training.train"}}
    found = circle(upward)
    assert found is not None and "framefall.noise" in found


def module_name(path: Path, package: Path) -> str:
    return ".".join(("framefall", *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """The modules that a file names in its imports, inside functions as well."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def circle(imports: dict[str, set[str]]) -> list[str] | None:
    """A circle of modules that import each other, if there is one."""
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str] | None:
        if module in path:
            return path[path.index(module) :]
        if module in done or module not in imports:
            return None
        for other in sorted(imports[module] - {module}):
            if (found := follow(other, [*path, module])) is not None:
                return found
        done.add(module)
        return None

    return next((found for module in sorted(imports) if (found := follow(module, [])) is not None), None)


def test_no_source_file_is_longer_than_four_hundred_lines() -> None:
    sizes = {str(path): len(path.read_text().splitlines()) for path in (ROOT / "src").rglob("*.py")}
    assert [path for path, lines in sizes.items() if lines > 400] == []


def test_a_room_without_a_floor_is_noticed(copy: Path) -> None:
    (copy / "framefall" / "utils.py").write_text("")
    said = lint(copy)
    assert said.returncode == 1 and "framefall.utils" in said.stdout

"""The wheel, installed beside nothing of this checkout, has the studio, the lesson and the shipped models in it."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "framefall"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("framefall-*.whl")
    return found


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("framefall/")}
    here = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here <= held
    assert {"framefall/studio/static/index.html", "framefall/studio/static/lesson/index.html"} <= held
    assert "framefall/weights/pico/base.safetensors" in held


def test_what_the_wheel_installs_writes_the_lesson_and_knows_its_models(wheel: Path, tmp_path: Path) -> None:
    _pip("install", "--no-index", "--target", tmp_path / "site", wheel)
    lesson, models = _run(tmp_path, ["lesson", "-o", "lesson"], ["models"])
    assert lesson["files"] > 20 and (tmp_path / "lesson" / "lesson" / "index.html").is_file()
    assert {one["name"] for one in models["models"]} >= {"pico", "worlds"}


CODE = """
import framefall, pathlib, sys
from framefall.cli import main
assert pathlib.Path(framefall.__file__).is_relative_to({site!r}), framefall.__file__
for words in {lines!r}:
    sys.argv = ["framefall", *words, "--json"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
    print({end!r})
"""
END = "-- the end of a command --"


def _run(folder: Path, *lines: list[str]) -> list[dict[str, Any]]:
    """What commands of the installed package print; libraries are those of this environment."""
    code = CODE.format(site=str(folder / "site"), lines=lines, end=END)
    path = os.pathsep.join([str(folder / "site"), sysconfig.get_paths()["purelib"]])
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return [json.loads(one) for one in said.stdout.split(END)[:-1]]


def _pip(*words: object) -> None:
    line = [sys.executable, "-m", "pip", *map(str, words), "--no-deps", "-q", "--disable-pip-version-check"]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr

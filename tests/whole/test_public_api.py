import subprocess
import sys
from importlib import import_module

import pytest

import framefall


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by name."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_all_is_sorted_and_complete() -> None:
    assert framefall.__all__ == sorted(framefall.__all__, key=order)
    assert set(framefall.__all__) == set(framefall._PUBLIC) == set(dir(framefall)) - {"__version__"}
    assert len(framefall.__all__) == len(set(framefall.__all__))


@pytest.mark.parametrize("name", framefall._PUBLIC)
def test_a_public_name_is_the_thing_itself_and_says_what_it_is(name: str) -> None:
    found = getattr(framefall, name)
    home = import_module(framefall._PUBLIC[name])
    assert found is getattr(home, framefall._RENAMED.get(name, name))
    if name != "RECIPES":
        assert found.__module__ == home.__name__ and found.__doc__


LIGHT = """
import sys, framefall
print([name for name in ("torch", "numpy", "av", "pydantic") if name in sys.modules])
framefall.to_pixels
print("torch" in sys.modules)
"""
FRESH = """
import framefall
from importlib import import_module
print([callable(framefall.train), callable(framefall.evaluate)])
rooms = [import_module("framefall.train"), import_module("framefall.evaluate")]
from framefall.train import loop
from framefall.evaluate.sets import registry
from framefall import train, evaluate
print([train is framefall.train, evaluate is framefall.evaluate, callable(train), callable(evaluate)])
print([room.__name__ for room in rooms], loop.__name__, registry.__name__)
"""


def fresh(code: str) -> list[str]:
    """What a fresh interpreter finds."""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return said.stdout.splitlines()


def test_importing_the_package_loads_nothing_heavy_until_a_name_is_used() -> None:
    assert fresh(LIGHT) == ["[]", "True"]


@pytest.mark.slow  # what it imports is seconds of a core
def test_what_trains_and_evaluates_keeps_its_name_beside_the_rooms_of_that_name() -> None:
    """The import system would put a room in its place, as soon as anything loads it."""
    assert fresh(FRESH) == [
        "[True, True]",
        "[True, True, True, True]",
        "['framefall.train', 'framefall.evaluate'] framefall.train.loop framefall.evaluate.sets.registry",
    ]


def test_long_work_can_be_called_or_read() -> None:
    for name in ("train", "prepare", "generate", "upscale", "compare"):
        found = getattr(framefall, name)
        assert callable(found) and callable(found.events) and found.__name__ == name


def test_a_name_that_is_not_public_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'framefall' has no attribute 'magic'"):
        framefall.magic  # noqa: B018

"""Every number of every config has bounds, so that no file can ask for more than any machine has."""

import dataclasses
import typing
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from framefall.cascade.about.card import Card
from framefall.cascade.cascade import CascadeConfig
from framefall.config import from_dict, to_dict
from framefall.recipes.registry import RECIPES
from framefall.train.recipe import Recipe

CONFIGS = (CascadeConfig, Recipe, Card)
FREE = {"scores"}  # of a card: any finite number is a score


def unbounded(kind: Any, path: str = "", inside: bool = False) -> list[str]:
    """The places below a type where a number may be of any size, or a list of any length."""
    if typing.get_origin(kind) is typing.Annotated:
        inner, *notes = typing.get_args(kind)
        return [] if any(isinstance(one, FieldInfo) and one.metadata for one in notes) else unbounded(inner, path)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return [
            place
            for one in dataclasses.fields(kind)
            if one.name not in FREE
            for place in unbounded(hints[one.name], f"{path}.{one.name}")
        ]
    if kind in (int, float):
        return [path]
    if typing.get_origin(kind) is typing.Literal:
        return []
    return [place for one in typing.get_args(kind) for place in unbounded(one, path)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda one: one.__name__)
def test_every_number_has_bounds(config: type) -> None:
    assert unbounded(config) == []


def test_a_number_without_bounds_is_found() -> None:
    @dataclasses.dataclass
    class Careless:
        depth: int = 3
        sides: tuple[float, ...] = ()

    assert unbounded(Careless) == [".depth", ".sides"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_lies_within(name: str) -> None:
    recipe = RECIPES[name]()
    assert from_dict(Recipe, to_dict(recipe)) == recipe
    stages = {stage: part.stage for stage, part in recipe.stages.items()}
    config = CascadeConfig(name=name, stages=stages)
    assert from_dict(CascadeConfig, to_dict(config)) == config

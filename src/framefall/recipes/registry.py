"""Every recipe by its name: add a row to add one."""

from collections.abc import Callable

from framefall.recipes.presets import PRESETS
from framefall.recipes.systems import SYSTEMS
from framefall.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {**PRESETS, **SYSTEMS}

"""The thirteen scenarios: each draws the beginning of a scene whose event is sure to happen, and to be seen.

A scenario is a function from its chances to a scene, or to None where what was drawn does not fit together.
"""

from collections.abc import Callable
from dataclasses import replace

from framefall.noise import Key
from framefall.worlds.scenarios.collisions import billiards, collision
from framefall.worlds.scenarios.constrained import pendulum, ramp
from framefall.worlds.scenarios.draw import Draw
from framefall.worlds.scenarios.flight import double_drop, fall, projectile, uniform
from framefall.worlds.scenarios.light import light
from framefall.worlds.scenarios.occlusions import occluder, occluder_bounce
from framefall.worlds.scenarios.piles import pour, stack
from framefall.worlds.scene import Scene
from framefall.worlds.splits import scene_key

Scenario = Callable[[Draw], Scene | None]
SCENARIOS: dict[str, Scenario] = {
    "fall": fall,
    "projectile": projectile,
    "uniform": uniform,
    "collision": collision,
    "billiards": billiards,
    "pendulum": pendulum,
    "ramp": ramp,
    "occluder": occluder,
    "occluder_bounce": occluder_bounce,
    "stack": stack,
    "double_drop": double_drop,
    "pour": pour,
    "light": light,
}
_TRIES = 5_000  # the worst scenario and split needs a few dozen on average


def draw_scene(seed: int, split: str, scenario: str, index: int, version: int = 1) -> Scene:
    """Scene number `index` of a scenario in a split: the same on every machine, whatever else is drawn.

    The versions of a scene have the same chances: where they fit in both, only sizes differ, and what goes by sizes.
    """
    key = Key(seed, f"worlds/{split}/{scenario}", str(index))
    for attempt in range(_TRIES):
        drawn = SCENARIOS[scenario](Draw(key, scenario, split, attempt, version))
        if drawn is not None:
            return replace(drawn, key=scene_key(seed, split, scenario, index, version))
    raise AssertionError(f"{scenario} fits together in none of {_TRIES} draws of {split} {index}: its rules contradict")

"""Which split, region and word a scene's values are of, read back from the values alone."""

import math

from framefall.worlds.captions.bins import BINS, Factor, Region
from framefall.worlds.scene import Scene
from framefall.worlds.splits import GRID, RESIDUES, SPLITS, version_of


def split_of(scene: Scene) -> str:
    """The split that a scene was drawn for; a ValueError for a first radius of none."""
    steps = scene.bodies[0].radius / GRID
    residue = int(steps) % RESIDUES
    if steps != int(steps) or residue >= len(SPLITS):
        raise ValueError(f"a first radius of {scene.bodies[0].radius} is of no split")
    return SPLITS[residue]


def moved_factors(scene: Scene) -> tuple[Factor, ...]:
    """Which of size, speed and gravity lie outside the training box in some body."""
    speeds = [math.hypot(*body.velocity) for body in scene.bodies]
    version = version_of(scene.key)
    values: dict[Factor, list[float]] = {
        "size": [body.radius for body in scene.bodies],
        "speed": [speed for speed in speeds if speed],
        "gravity": [scene.gravity] if scene.gravity else [],
    }
    return tuple(
        factor for factor, found in values.items() if any(region_of(factor, v, version) != "train" for v in found)
    )


def is_compound(scene: Scene) -> bool:
    """Whether two scenarios are joined in it: a flight off a ramp, a hidden collision."""
    said = scene.attributes
    return said.outcome == "flies" or (said.scenario == "collision" and bool(said.occluder))


def region_of(factor: Factor, value: float, version: int = 1) -> Region | None:
    """Where a value lies; none in the gaps."""
    return _find(factor, value, version)[0]


def word_of(factor: Factor, value: float, version: int = 1) -> str:
    """The word for a value; the empty word in the gaps."""
    return _find(factor, value, version)[1]


def _find(factor: Factor, value: float, version: int) -> tuple[Region | None, str]:
    for region, words in BINS[version][factor].items():
        for word, (low, high) in words.items():
            if low <= value < high:
                return region, word
    return None, ""

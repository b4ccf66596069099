"""The six splits, disjoint by construction: each has radii of its own, and draws from a box of its own.

The first body's radius is k / 65536 with k mod 8 the number of the split, so no scene is in two splits. `train`, `id`,
`comb` and `horizon` keep size, speed and gravity in the training box; `ood-near` and `ood-far` move one, some or all
of those that a scenario has out of it. One in eight (scenario, colour, shape) triples is met only in `comb`.
"""

import functools
import re

from framefall.noise import Key
from framefall.worlds.captions.bins import Factor, Region
from framefall.worlds.scene import BODY_COLOURS

SPLITS = ("train", "id", "ood-near", "ood-far", "comb", "horizon")  # the order is the residue
GRID = 2.0**-16  # radii are whole multiples of it
RESIDUES = 8  # of which each split has one; two are free for splits to come
FAR: dict[str, Region] = {"ood-near": "near", "ood-far": "far"}  # where a split's moved factors lie
COMPOUNDS = ("ramp", "collision")  # of which half the scenes in `comb` are joined with another scenario

# what each scenario shows: its shapes, and the factors that it has
SHAPES: dict[str, tuple[str, ...]] = {
    "fall": ("ball", "box", "triangle", "diamond"),
    "projectile": ("ball", "box", "triangle", "diamond"),
    "uniform": ("ball", "box", "triangle", "diamond"),
    "collision": ("ball",),
    "billiards": ("ball",),
    "pendulum": ("ball",),
    "ramp": ("ball", "box"),
    "occluder": ("ball", "box", "triangle", "diamond"),
    "occluder_bounce": ("ball", "box", "diamond"),  # a triangle would turn when it meets the wall
    "stack": ("box",),
    "double_drop": ("ball", "box", "triangle", "diamond"),
    "pour": ("ball",),
    "light": ("ball", "box", "triangle", "diamond"),
}
FACTORS_OF: dict[str, tuple[Factor, ...]] = {
    "fall": ("size", "gravity"),
    "projectile": ("size", "speed", "gravity"),
    "uniform": ("size", "speed"),
    "collision": ("size", "speed"),
    "billiards": ("size", "speed"),
    "pendulum": ("size", "gravity"),
    "ramp": ("size", "gravity"),
    "occluder": ("size", "speed"),
    "occluder_bounce": ("size", "speed"),
    "stack": ("size", "gravity"),
    "double_drop": ("size", "gravity"),
    "pour": ("size", "gravity"),
    "light": ("size",),
}


def scene_key(seed: int, split: str, scenario: str, index: int, version: int = 1) -> str:
    """The name of a scene for ever: `0/train/fall/3`, or `0/train/fall/3@2` in version 2."""
    return f"{seed}/{split}/{scenario}/{index}" + ("" if version == 1 else f"@{version}")


def version_of(key: str) -> int:
    """The version of the world that a scene's key names; 1 for a scene of nobody's world."""
    found = re.fullmatch(r"-?\d+/[a-z-]+/[a-z_]+/\d+@(\d+)", key)
    return int(found[1]) if found else 1


@functools.cache
def held_out(scenario: str, colour: str, shape: str) -> bool:
    """Whether a triple is kept for `comb`: the eighth of a scenario's pairs whose hashes are the smallest."""
    pairs = [(c, s) for c in BODY_COLOURS for s in SHAPES[scenario]]
    ranked = sorted(pairs, key=lambda pair: Key(0, "comb", "/".join((scenario, *pair))).word())
    return (colour, shape) in ranked[: max(1, len(pairs) // 8)]

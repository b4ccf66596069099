"""What is said of a scene: a sentence that states every attribute, in five paraphrases, with numbers or without.

`parser.parse` is the exact inverse. The two numbers of a scene can also be given to a model as numbers.
"""

import functools
import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from framefall.worlds.captions.grammar import PARAPHRASES, PATTERNS, SAY, Form, pattern
from framefall.worlds.scene import Attributes, Scene, Thing

ALIKE = {"pour": "ball"}  # scenarios whose things are all alike, and their shape
SAME_SIZE = {"stack": "box"}  # scenarios whose things differ in colour only, and their shape


def caption(attributes: Attributes, paraphrase: int = 0, numeric: bool = False) -> str:
    """The sentence for attributes; with `numeric` it also states gravity and launch speed where there are such."""
    if not 0 <= paraphrase < PARAPHRASES:
        raise ValueError(f"paraphrase must be from 0 to {PARAPHRASES - 1}, got {paraphrase}")
    said = stated(attributes, numeric)
    return _pattern(form_of(said), paraphrase).format_map(_values(said))


def describe(scene: Scene, paraphrase: int = 0, numeric: bool = False) -> str:
    """The caption of a scene."""
    return caption(scene.attributes, paraphrase, numeric)


def stated(attributes: Attributes, numeric: bool) -> Attributes:
    """What a caption states of attributes: all of them, or all but the numbers."""
    return attributes if numeric else replace(attributes, gravity=None, velocity=None)


def numbers(scene: Scene) -> Float32[np.ndarray, "2"]:
    """Gravity (heights a second squared) and the first body's launch speed (heights a second)."""
    speed = math.hypot(*scene.bodies[0].velocity)
    return np.array([scene.gravity, speed], np.float32)


def form_of(said: Attributes) -> Form:
    """The form of the sentence that states these attributes; a ValueError where no sentence can."""
    things, count = said.things, len(said.things)
    shape = ALIKE.get(said.scenario) or SAME_SIZE.get(said.scenario)
    if shape and any((thing.shape, thing.size) != (shape, things[0].size) for thing in things):
        raise ValueError(f"the things of {said.scenario} must be {shape} and of one size, got {things}")
    if said.scenario in ALIKE and len(set(things)) > 1:
        raise ValueError(f"the things of {said.scenario} must be alike, got {things}")
    variant = said.outcome if said.scenario != "occluder" else {1: "one", 2: "two"}.get(count, str(count))
    if (said.scenario, variant) not in PATTERNS:
        known = ", ".join(" ".join(names).strip() for names in PATTERNS)
        raise ValueError(f"scenario and outcome must be one of {known}; got {said.scenario} {variant}".rstrip())
    return Form(
        scenario=said.scenario,
        variant=variant,
        things=1 if said.scenario in ALIKE else count,
        behind=said.scenario == "collision" and bool(said.occluder),
        camera=bool(said.camera),
        gravity=said.gravity is not None,
        velocity=said.velocity is not None,
    )


_pattern = functools.cache(pattern)


def _values(said: Attributes) -> dict[str, str]:
    """The word for every slot."""
    values = {
        "direction": said.direction,
        "speed": SAY.get(("speed", said.speed), ""),
        "occluder": said.occluder,
        "camera": said.camera,
        "count": SAY.get(("count", str(len(said.things))), ""),
        "gravity": "" if said.gravity is None else f"{said.gravity:.2f}",
        "velocity": "" if said.velocity is None else f"{said.velocity:.2f}",
    }
    for index, thing in enumerate(said.things):
        values |= _thing(index, thing)
    return values


def _thing(index: int, thing: Thing) -> dict[str, str]:
    return {f"size{index}": thing.size, f"colour{index}": thing.colour, f"shape{index}": thing.shape}

"""Every example of the lesson by name; made once, they ship with the package, so that the lesson needs no model."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from framefall.jsonable import jsonable
from framefall.studio.lesson import attention, basics, cascade, physics, time
from framefall.studio.lesson.media import Media
from framefall.studio.lesson.numbers import shortened
from framefall.studio.lesson.systems import systems

LESSON = Path(__file__).parents[1] / "static" / "lesson"
FOLDER = LESSON / "examples"

# the same bits on every run
EXAMPLES: dict[str, Callable[[Media], dict[str, Any]]] = {
    "basics-noise": basics.noise,
    "time-fusion": time.fusion,
    "time-damage": time.damage,
    "attention-patterns": attention.patterns,
    "attention-weights": attention.weights,
    "attention-work": attention.work,
    "cascade-walk": cascade.walk,
    "cascade-without": cascade.without,
    "cascade-planner": cascade.planner,
    "physics-scenes": physics.scenes,
    "physics-average": physics.average,
    "physics-twins": physics.twins,
    "physics-game": physics.game,
    "physics-systems": systems,
}
# taken from one machine, or from clips that are not shipped
MEASURED: dict[str, Callable[[Media], dict[str, Any]]] = {
    "attention-measured": attention.measured,
    "cascade-blame": cascade.blame,
}


def make(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Makes an example: its pictures and `NAME.json` in `folder`, in place of those that are there."""
    made = (EXAMPLES | MEASURED)[name]
    folder.mkdir(parents=True, exist_ok=True)
    media = Media(folder, name)
    values: dict[str, Any] = shortened(jsonable(made(media)))
    for old in folder.glob(f"{name}-*.*"):
        if old.name not in media.made:
            old.unlink()
    (folder / f"{name}.json").write_text(json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n")
    return values


@cache
def examples() -> Mapping[str, Any]:
    """The examples that ship with the package."""
    return MappingProxyType(
        {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in (*EXAMPLES, *MEASURED)}
    )

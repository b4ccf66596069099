"""Scenes with depth, for MuJoCo: solids that fall, meet, stand still under an orbiting camera, or pass behind a board.

Axes: x to the right, y away from the viewer, z up, all in picture heights as seen in the plane y = 0; the floor is
z = 0. A fixture's points are (x, z): a front one is an upright board in the plane y = `BOARD`. A body's `radius` is
that of the sphere of equal volume. Seeds and residues of radii are those of the flat scenarios' splits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from framefall.noise import Key
from framefall.worlds.captions.bins import BINS, Factor, Region
from framefall.worlds.scene import (
    BODY_COLOURS,
    SCENERY_COLOURS,
    SOLIDS,
    Attributes,
    Backdrop,
    Body,
    Camera,
    Fixture,
    Light,
    Scene,
    Thing,
)
from framefall.worlds.splits import FAR, GRID, RESIDUES, SPLITS, scene_key

BOARD = -0.45  # y of an occluder: before everything that moves
CUBE = (4 * math.pi / 3) ** (1 / 3) / 2  # half a side of the cube of unit radius
CYLINDER = (2 / 3) ** (1 / 3)  # radius and half the height of the cylinder of unit radius
FLOOR = Fixture(name="floor", points=((-4.0, 0.0), (5.0, 0.0)))


def half_height(shape: str, radius: float) -> float:
    """From the middle of an upright solid to the floor."""
    return radius * {"sphere": 1.0, "cube": CUBE, "cylinder": CYLINDER}[shape]


def draw_solid(seed: int, split: str, scenario: str, index: int, version: int = 1) -> Scene:
    """Scene number `index` of a scenario with depth in a split: the same on every machine."""
    if scenario not in SOLID_SCENARIOS:
        raise ValueError(f"a scenario with depth must be one of {', '.join(SOLID_SCENARIOS)}; got {scenario!r}")
    if split not in SPLITS or split == "comb":
        known = ", ".join(name for name in SPLITS if name != "comb")
        raise ValueError(f"a split of scenes with depth must be one of {known}; got {split!r}")
    draw = _Draw(Key(seed, f"worlds/{split}/{scenario}", str(index)), split, scenario, version)
    return replace(SOLID_SCENARIOS[scenario](draw), key=scene_key(seed, split, scenario, index, version))


class _Draw:
    """Draws in the order of asking."""

    def __init__(self, key: Key, split: str, scenario: str, version: int = 1) -> None:
        self.bins = BINS[version]
        self.key, self.split, self.scenario, self.count = key, split, scenario, 0
        self.region: Region = FAR.get(split, "train")

    def uniform(self, low: float, high: float) -> float:
        self.count += 1
        return low + (high - low) * self.key.uniform(self.count)

    def choice(self, values: tuple[str, ...]) -> str:
        self.count += 1
        return values[self.key.integer(len(values), self.count)]

    def value(self, factor: Factor) -> tuple[str, float]:
        words = self.bins[factor][self.region]
        word = self.choice(tuple(words))
        return word, self.uniform(*words[word])

    def body(self, name: str, x: float, y: float, *, taken: Sequence[str] = (), shape: str = "") -> tuple[Body, Thing]:
        """An upright solid on the floor."""
        size, radius = self.value("size")
        steps = int(radius / GRID / RESIDUES) * RESIDUES + SPLITS.index(self.split)
        radius = steps * GRID
        shape = shape or self.choice(SOLIDS)
        colour = self.choice(tuple(colour for colour in BODY_COLOURS if colour not in taken))
        place = (x, y, half_height(shape, radius))
        still = (0.0, 0.0, 0.0)
        body = Body(name=name, colour=colour, shape=shape, radius=radius, position=place, velocity=still)
        return body, Thing(colour, shape, size)

    def scene(self, bodies: list[tuple[Body, Thing]], gravity: float, **rest: object) -> Scene:
        fixtures = (FLOOR, *rest.pop("boards", ()))  # type: ignore[misc]
        names = ("direction", "speed", "occluder", "camera_word")
        words = {name.removesuffix("_word"): rest.pop(name, "") for name in names}
        attributes = Attributes(
            scenario=self.scenario,
            things=tuple(thing for _, thing in bodies),
            gravity=round(gravity, 2),
            **words,  # type: ignore[arg-type]
        )
        level = self.uniform(0.70, 0.85)
        return Scene(
            key="",
            attributes=attributes,
            bodies=tuple(body for body, _ in bodies),
            fixtures=fixtures,
            gravity=gravity,
            seconds=5.0 if self.split == "horizon" else 2.5,
            engine="mujoco",
            light=Light(angle=self.uniform(60.0, 120.0)),
            backdrop=Backdrop(bottom=(level,) * 3, top=(level + 0.1,) * 3),
            **rest,  # type: ignore[arg-type]
        )


def _fall(draw: _Draw) -> Scene:
    """A solid falls from some height, bounces and settles."""
    body, thing = draw.body("a", draw.uniform(0.35, 0.65), draw.uniform(-0.1, 0.1))
    x, y, _ = body.position
    fallen = replace(body, position=(x, y, draw.uniform(0.62, 0.75)), spin=draw.uniform(-2.0, 2.0))
    _, gravity = draw.value("gravity")
    return draw.scene([(fallen, thing)], gravity, restitution=draw.uniform(0.3, 0.75), friction=0.4)


def _collision(draw: _Draw) -> Scene:
    """A sphere rolls into a solid that stands."""
    word, speed = draw.value("speed")
    side = draw.choice(("right", "left"))
    sign = 1.0 if side == "right" else -1.0
    mover, first = draw.body("a", 0.5 - sign * 0.36, 0.0, shape="sphere")
    target, second = draw.body("b", 0.5 + sign * 0.12, draw.uniform(-0.02, 0.02), taken=(mover.colour,))
    mover = replace(mover, velocity=(sign * (0.3 + speed), 0.0, 0.0))
    bodies = [(mover, first), (target, second)]
    return draw.scene(bodies, 2.0, restitution=0.5, friction=0.3, direction=side, speed=word)


def _orbit(draw: _Draw) -> Scene:
    """Three solids stand still and the camera goes round them."""
    bodies: list[tuple[Body, Thing]] = []
    for name, x, y in (("a", 0.28, 0.1), ("b", 0.55, -0.18), ("c", 0.75, 0.22)):
        bodies.append(draw.body(name, x, y, taken=[body.colour for body, _ in bodies]))
    bodies = _spread(bodies)
    side = draw.choice(("left", "right"))
    turn = draw.uniform(12.0, 30.0) * (1.0 if side == "right" else -1.0)
    camera = Camera(orbit=(draw.uniform(-30.0, 30.0), turn))
    return draw.scene(bodies, 2.0, restitution=0.1, friction=0.5, camera=camera, camera_word=side)


def _spread(bodies: list[tuple[Body, Thing]]) -> list[tuple[Body, Thing]]:
    """Solids on the floor that are too large for their places, moved apart from the middle until they are not."""
    wide = {"sphere": 1.0, "cube": math.sqrt(2) * CUBE, "cylinder": CYLINDER}  # of unit radius, as seen from above
    discs = [(body.position[:2], wide[body.shape] * body.radius) for body, _ in bodies]
    more = max(1.0, *(1.05 * (a + b) / math.dist(one, other) for (one, a), (other, b) in combinations(discs, 2)))
    places = [(0.5 + more * (body.position[0] - 0.5), more * body.position[1], body.position[2]) for body, _ in bodies]
    return [(replace(body, position=place), thing) for (body, thing), place in zip(bodies, places, strict=True)]


def _behind(draw: _Draw) -> Scene:
    """A sphere rolls past behind a board that stands in front."""
    word, speed = draw.value("speed")
    side = draw.choice(("right", "left"))
    sign = 1.0 if side == "right" else -1.0
    body, thing = draw.body("a", 0.5 - sign * 0.42, 0.0, shape="sphere")
    # it slides at first and rolls later, at 5/7 of the speed
    body = replace(body, velocity=(sign * (0.45 + 0.4 * speed), 0.0, 0.0))
    colour = draw.choice(SCENERY_COLOURS)
    # the camera looks down over the board, which stands nearer: what it hides is 0.16 lower
    half, top = body.radius + draw.uniform(0.02, 0.06), 2 * body.radius + 0.16 + draw.uniform(0.03, 0.12)
    corners = ((0.5 - half, 0.0), (0.5 + half, 0.0), (0.5 + half, top), (0.5 - half, top))
    board = Fixture(name="board", points=corners, colour=colour, solid=False, front=True)
    words = {"direction": side, "speed": word, "occluder": colour}
    return draw.scene([(body, thing)], 2.0, restitution=0.1, friction=0.3, boards=(board,), **words)


SOLID_SCENARIOS: dict[str, Callable[[_Draw], Scene]] = {
    "solid_fall": _fall,
    "solid_collision": _collision,
    "solid_orbit": _orbit,
    "solid_behind": _behind,
}

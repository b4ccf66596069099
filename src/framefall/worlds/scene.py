"""What a simulation starts from. Lengths are in picture heights, y is upwards, (0, 0) is the lower left corner.

A scene says what is there; an engine says what happens (`Scene -> StateLog`), and the renderer shows it.
"""

import re
from dataclasses import dataclass
from typing import Literal

from framefall.worlds.shapes import OUTLINES

Point = tuple[float, float]
EngineName = Literal["analytic", "pymunk", "mujoco"]

# sRGB, 0..1; far enough apart for a tracker to name
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.16, 0.16),
    "orange": (0.95, 0.55, 0.10),
    "yellow": (0.95, 0.87, 0.20),
    "green": (0.18, 0.65, 0.25),
    "cyan": (0.20, 0.78, 0.82),
    "blue": (0.16, 0.32, 0.86),
    "purple": (0.52, 0.20, 0.72),
    "pink": (0.95, 0.50, 0.72),
    "white": (0.96, 0.96, 0.96),
    "grey": (0.45, 0.45, 0.47),
    "brown": (0.45, 0.29, 0.17),
    "black": (0.08, 0.08, 0.09),
}
BODY_COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
SCENERY_COLOURS = ("grey", "brown", "black", "white")
SOLIDS = ("sphere", "cube", "cylinder")  # shapes of scenes with depth


def is_colour(colour: str) -> bool:
    """Whether `rgb` knows a colour: one of the names, or #rrggbb."""
    return colour in COLOURS or re.fullmatch("#[0-9a-f]{6}", colour) is not None


def rgb(colour: str) -> tuple[float, float, float]:
    """A colour's sRGB values, 0..1."""
    if colour in COLOURS:
        return COLOURS[colour]
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


@dataclass(frozen=True, kw_only=True)
class Body:
    """One thing that moves."""

    name: str  # unique in its scene
    colour: str
    shape: str
    radius: float  # of the disc of the same area
    position: tuple[float, ...]  # (x, y) in heights; (x, y, z) in a scene with depth
    velocity: tuple[float, ...] = (0.0, 0.0)  # heights a second
    angle: float = 0.0  # radians, anticlockwise
    spin: float = 0.0  # radians a second
    density: float = 1.0  # mass over area
    pivot: Point | None = None  # it hangs from here on a stiff rod without mass
    release: float = 0.0  # seconds for which it is held still

    def __post_init__(self) -> None:
        if self.colour not in COLOURS:
            raise ValueError(f"colour must be one of {', '.join(COLOURS)}; got {self.colour!r}")
        if self.shape not in (*OUTLINES, *SOLIDS):
            raise ValueError(f"shape must be one of {', '.join((*OUTLINES, *SOLIDS))}; got {self.shape!r}")
        if not (self.radius > 0 and self.density > 0 and self.release >= 0):
            raise ValueError(f"radius and density must be above 0 and release at least 0, got {self}")
        if len(self.position) != len(self.velocity) or len(self.position) not in (2, 3):
            raise ValueError(f"position and velocity must both have 2 or 3 numbers, got {self}")


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """Something that does not move by itself: floor, wall, ramp, jar, occluder, rod.

    A convex polygon (anticlockwise corners) or a line of two points, made thicker by `thickness` all round.
    """

    name: str
    points: tuple[Point, ...]
    thickness: float = 0.0  # half the width of a line
    colour: str = "grey"
    solid: bool = True  # bodies bounce off it
    front: bool = False  # it stands before the bodies and hides them
    follows: str | None = None  # a body that its last point is tied to (a rod)

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ValueError(f"a fixture must have at least 2 points, got {self.points}")
        if self.colour not in COLOURS:
            raise ValueError(f"colour must be one of {', '.join(COLOURS)}; got {self.colour!r}")


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The view: it begins at `start` (its lower left corner) and moves evenly; an `orbit` is for scenes with depth."""

    start: Point = (0.0, 0.0)
    velocity: Point = (0.0, 0.0)  # heights a second
    orbit: Point = (0.0, 0.0)  # degrees at the beginning, degrees a second


@dataclass(frozen=True, kw_only=True)
class Light:
    """A far light in front of the picture: where it stands in the picture's plane, as an angle that moves evenly."""

    angle: float = 120.0  # degrees, 0 is from the right, 90 from above
    turn: float = 0.0  # degrees a second
    shading: float = 0.15  # how much brighter a body is on the lit side than on average
    shadow: float = 0.0  # how dark the soft shadow on the wall behind is, 0..1


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """The wall behind everything: a gradient between two sRGB colours, with a texture on it."""

    bottom: tuple[float, float, float] = (0.80, 0.80, 0.78)
    top: tuple[float, float, float] = (0.88, 0.89, 0.90)
    texture: float = 0.0  # standard deviation of the texture, sRGB
    seed: int = 0  # of the texture


@dataclass(frozen=True)
class Thing:
    """A body as a caption names it."""

    colour: str
    shape: str
    size: str


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Everything that a caption states; the empty word where a scenario has no such attribute."""

    scenario: str
    things: tuple[Thing, ...]
    direction: str = ""  # left, right, ...
    speed: str = ""  # slow, medium, fast, ...
    occluder: str = ""  # its colour
    outcome: str = ""  # stands, topples, ...
    camera: str = ""  # left or right, where it moves
    gravity: float | None = None  # heights a second squared, two decimals; only in numeric captions
    velocity: float | None = None  # heights a second, two decimals; only in numeric captions


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The beginning of a simulation, complete."""

    key: str  # names it for ever: world seed, split, scenario, index
    attributes: Attributes
    bodies: tuple[Body, ...]
    fixtures: tuple[Fixture, ...] = ()
    gravity: float = 0.0  # downwards, heights a second squared
    restitution: float = 1.0  # of every contact: speed apart over speed together
    friction: float = 0.0  # Coulomb's coefficient, of every contact
    seconds: float = 2.5
    width: float = 1.0  # of the view, in heights
    engine: EngineName = "analytic"
    camera: Camera = Camera()
    light: Light = Light()
    backdrop: Backdrop = Backdrop()

    def __post_init__(self) -> None:
        names = [*(body.name for body in self.bodies), *(fixture.name for fixture in self.fixtures)]
        if len(set(names)) < len(names):
            raise ValueError(f"bodies and fixtures must have names of their own, got {', '.join(names)}")
        if not self.bodies:
            raise ValueError("a scene must have at least one body, got none; add one")
        if not (self.seconds > 0 and self.width > 0):
            raise ValueError(f"seconds and width must be above 0, got {self.seconds} and {self.width}")
        if self.restitution < 0 or self.friction < 0:
            raise ValueError(f"restitution and friction must be at least 0, got {self.restitution} and {self.friction}")
        for fixture in self.fixtures:
            if fixture.follows not in (None, *(body.name for body in self.bodies)):
                raise ValueError(f"fixture {fixture.name} must follow a body of its scene, got {fixture.follows!r}")

"""What is in a picture: where each thing of a log stands at each moment, in pixels of the fine grid.

All of it is float64 arithmetic on a few numbers a frame. Positions are rounded to 1,024ths of a pixel, so that offsets
from them are exact in float32, whatever crop they are seen through.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from framefall.worlds.render.raster import capsule_numbers, decode, polygon_numbers, rounded_numbers
from framefall.worlds.scene import Fixture, Scene, rgb
from framefall.worlds.shapes import OUTLINES, outline, reach
from framefall.worlds.state import Appearance, FrameTimes, StateLog

FINE = 256  # pixels a picture height that the fine grid has at least
LARGEST = 4096  # pixels a side of a picture
QUANTUM = 1024  # parts of a pixel of the fine grid that positions are rounded to
SHADOW_OFFSET = 0.05  # heights, away from the light
PENUMBRA = 0.08  # heights
STRIPE = 0.14  # half the width of a ball's stripe, in its radius
STRIPE_DARK = 0.35  # what the stripe takes from its colour


@dataclass(frozen=True)
class View:
    """A picture's size in pixels, or a crop: `height` x `width` pixels from (`top`, `left`) of one that is larger.

    `scale` is the pixels a picture height, by itself `height`; a whole scene is `scale * scene.width` wide.
    """

    height: int
    width: int
    scale: int | None = None
    top: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        for name in ("height", "width", "pixels"):
            value = getattr(self, name)
            if not (isinstance(value, int) and 1 <= value <= LARGEST):
                name = "scale" if name == "pixels" else name
                raise ValueError(f"{name} must be a whole number of pixels from 1 to {LARGEST}, got {value}")
        for name in ("top", "left"):
            value = getattr(self, name)
            if not (isinstance(value, int) and 0 <= value <= LARGEST):
                raise ValueError(f"{name} must be a whole number of pixels from 0 to {LARGEST}, got {value}")

    @property
    def pixels(self) -> int:
        """Pixels a picture height."""
        return self.height if self.scale is None else self.scale

    @property
    def factor(self) -> int:
        """How many pixels of the fine grid go into one of the picture, along each side."""
        return math.ceil(FINE / self.pixels)


class Grid:
    """The fine grid of a view, and where the camera holds it at each moment; x to the right, y down."""

    def __init__(self, scene: Scene, times: FrameTimes, view: View) -> None:
        self.factor = view.factor
        self.scale = view.pixels * view.factor  # fine pixels a height
        self.rows, self.columns = view.height * view.factor, view.width * view.factor
        camera = np.asarray(scene.camera.start) + np.asarray(times)[:, None] * np.asarray(scene.camera.velocity)
        # where the world's origin is, in pixels of the crop
        crop = np.array([view.left, view.top]) * view.factor
        self._origin = np.array([0, self.scale]) + _quantised(camera * self.scale) * (-1, 1) - crop

    @property
    def across(self) -> Float[np.ndarray, "frames columns"]:
        """World x of each column's middle."""
        return (np.arange(self.columns) + 0.5 - self._origin[:, :1]) / self.scale

    @property
    def up(self) -> Float[np.ndarray, "frames rows"]:
        """World y of each row's middle."""
        return (self._origin[:, 1:] - (np.arange(self.rows) + 0.5)) / self.scale

    def place(self, points: Float[np.ndarray, "*n 2"], frame: Int64[np.ndarray, " frames"]) -> Float[np.ndarray, "f 2"]:
        """World points in pixels of the fine grid at the camera's places in some frames."""
        return _quantised(points * self.scale) * (1, -1) + self._origin[frame]


@dataclass(frozen=True, eq=False)
class Sprite:
    """One thing in `n` frames (of one or of several clips), in pixels of the fine grid."""

    role: str  # back, shadow, rod, body, front: in this order from behind
    thing: int  # which body, or, after all bodies, which fixture
    kind: str  # of raster.DISTANCES
    frame: Int64[np.ndarray, " n"]
    centre: Float[np.ndarray, "n 2"]
    box: Float[np.ndarray, "n 4"]  # left, top, right, bottom
    numbers: Float[np.ndarray, "n count"]  # of the kind
    colour: Float[np.ndarray, "n 3"]  # linear light; of a shadow, how dark it is
    slope: Float[np.ndarray, "n 2"]  # of brightness, a pixel
    stripe: Float[np.ndarray, "n 3"]  # unit vector across it, half its width; no such vector, no stripe
    blur: float = 1.0  # pixels over which a shadow fades

    def within(self, rows: int, columns: int) -> "Sprite | None":
        """Only the frames in which some of it is in the picture."""
        box = self.box
        kept = (box[:, 0] < columns) & (box[:, 1] < rows) & (box[:, 2] > 0) & (box[:, 3] > 0)
        return self if kept.all() else self._only(kept) if kept.any() else None

    def at(self, frame: int) -> "Sprite | None":
        """Only one frame."""
        kept = self.frame == frame
        return self._only(kept) if kept.any() else None

    @staticmethod
    def joined(alike: "list[Sprite]") -> "Sprite":
        """Sprites of one role, kind and blur as one."""
        if len(alike) == 1:
            return alike[0]
        arrays: dict[str, Any] = {name: np.concatenate([getattr(sprite, name) for sprite in alike]) for name in _ARRAYS}
        return replace(alike[0], **arrays)

    def _only(self, kept: Bool[np.ndarray, " n"]) -> "Sprite":
        return replace(self, **{name: getattr(self, name)[kept] for name in _ARRAYS})


_ARRAYS = ("frame", "centre", "box", "numbers", "colour", "slope", "stripe")


def sprites(log: StateLog, times: FrameTimes, grid: Grid) -> Iterator[Sprite]:
    """Every thing of a log that moves by itself, from behind: shadows, rods, bodies."""
    bodies = [sprite for index in range(len(log.scene.bodies)) for sprite in _body(log, index, times, grid)]
    if log.scene.light.shadow > 0:
        yield from (_shadow(log, sprite, times, grid) for sprite in bodies)
    for index, fixture in enumerate(log.scene.fixtures):
        if fixture.follows is not None:
            yield _rod(log, fixture, len(log.scene.bodies) + index, times, grid)
    yield from bodies


def fixtures(scene: Scene, frames: int, grid: Grid, front: bool) -> Iterator[Sprite]:
    """The fixtures that stand still behind the bodies, or before them, in `frames` frames."""
    frame = np.arange(frames)
    for index, fixture in enumerate(scene.fixtures):
        if fixture.follows is None and fixture.front == front:
            points = np.asarray(fixture.points, dtype=np.float64)
            centre = grid.place(points.mean(axis=0), frame)
            corners = (points * grid.scale - _quantised(points.mean(axis=0) * grid.scale)) * (1, -1)
            thickness = fixture.thickness * grid.scale
            if len(points) == 2:
                kind, numbers = "capsule", capsule_numbers(corners[:1], corners[1:], thickness)
            elif thickness > 0:
                kind, numbers = "rounded", rounded_numbers(corners, thickness)
            else:
                kind, numbers = "polygon", polygon_numbers(corners)[None]
            low, high = corners.min(axis=0) - thickness - 1, corners.max(axis=0) + thickness + 1
            role = "front" if front else "back"
            box = np.concatenate((centre + low, centre + high), axis=1)
            yield _plain(role, len(scene.bodies) + index, kind, frame, centre, box, numbers, fixture)


def light_at(scene: Scene, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """The unit vector towards the light at each moment, y down as in a picture."""
    angle = np.radians(scene.light.angle + scene.light.turn * np.asarray(times))
    return np.stack((np.cos(angle), -np.sin(angle)), axis=1)


def _quantised(pixels: np.ndarray) -> np.ndarray:
    return np.round(pixels * QUANTUM) / QUANTUM


def _body(log: StateLog, index: int, times: np.ndarray, grid: Grid) -> Iterator[Sprite]:
    """A body as it stands and looks; one sprite for each look that it has."""
    body = log.scene.bodies[index]
    states = log.tracks[body.name].at(times)
    if (log.looks or {}).get(body.name):
        looks = log.appearances_at(body.name, times)
        parts = [(look, np.array([i for i, seen in enumerate(looks) if seen is look])) for look in dict.fromkeys(looks)]
    else:
        parts = [(Appearance(-math.inf, body.colour, body.shape, body.radius), np.arange(len(times)))]
    for look, frame in parts:
        if look.shown:
            centre, angle = grid.place(states.position[frame], frame), states.rotation[frame, 0]
            radius = look.radius * grid.scale
            cosine, sine = np.cos(angle), np.sin(angle)
            if len(OUTLINES[look.shape]):
                kind, corners = "polygon", outline(look.shape, radius)
                x, y = corners[:, 0], corners[:, 1]
                cosine, sine = cosine[:, None], sine[:, None]
                turned = np.stack((cosine * x - sine * y, -sine * x - cosine * y), axis=-1)
                numbers = polygon_numbers(turned)
                low, high = centre + turned.min(axis=1) - 1, centre + turned.max(axis=1) + 1
                stripe = np.zeros((len(frame), 3))
            else:
                kind, numbers = "disc", np.full((len(frame), 1), radius)
                low, high = centre - radius - 1, centre + radius + 1
                stripe = np.stack((sine, cosine, np.full(len(frame), STRIPE * radius)), axis=1)
            slope = light_at(log.scene, times[frame]) * (log.scene.light.shading / reach(look.shape, radius))
            colour = np.repeat(_linear(look.colour)[None], len(frame), axis=0)
            box = np.concatenate((low, high), axis=1)
            yield Sprite("body", index, kind, frame, centre, box, numbers, colour, slope, stripe)


def _shadow(log: StateLog, sprite: Sprite, times: np.ndarray, grid: Grid) -> Sprite:
    """The same shape on the wall behind, away from the light."""
    light = light_at(log.scene, times[sprite.frame])
    away = _quantised(-light * SHADOW_OFFSET * grid.scale)
    blur = PENUMBRA * grid.scale
    box = sprite.box + np.concatenate((away - blur / 2, away + blur / 2), axis=1)
    dark, still = np.full_like(sprite.colour, log.scene.light.shadow), np.zeros_like(sprite.slope)
    centre, stripe = sprite.centre + away, np.zeros_like(sprite.stripe)
    return Sprite(
        "shadow", sprite.thing, sprite.kind, sprite.frame, centre, box, sprite.numbers, dark, still, stripe, blur
    )


def _rod(log: StateLog, fixture: Fixture, thing: int, times: np.ndarray, grid: Grid) -> Sprite:
    """A line from its first point to the body that it follows."""
    frame = np.arange(len(times))
    start = grid.place(np.asarray(fixture.points[0]), frame)
    end = grid.place(log.tracks[str(fixture.follows)].at(times).position, frame)
    thickness = fixture.thickness * grid.scale
    numbers = capsule_numbers(np.zeros_like(start), end - start, thickness)
    low, high = np.minimum(start, end) - thickness - 1, np.maximum(start, end) + thickness + 1
    return _plain("rod", thing, "capsule", frame, start, np.concatenate((low, high), axis=1), numbers, fixture)


def _plain(
    role: str,
    thing: int,
    kind: str,
    frame: np.ndarray,
    centre: np.ndarray,
    box: np.ndarray,
    numbers: np.ndarray,
    fixture: Fixture,
) -> Sprite:
    """A sprite of one even colour."""
    count = len(frame)
    numbers = np.broadcast_to(numbers, (count, numbers.shape[1]))
    colour = np.broadcast_to(_linear(fixture.colour), (count, 3))
    return Sprite(role, thing, kind, frame, centre, box, numbers, colour, np.zeros((count, 2)), np.zeros((count, 3)))


@functools.cache
def _linear(colour: str) -> np.ndarray:
    """A colour as amounts of light."""
    return decode(np.asarray(rgb(colour)))

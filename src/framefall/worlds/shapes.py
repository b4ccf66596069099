"""The flat shapes that bodies have. Every shape of one `radius` has the area of the disc of that radius."""

import math

import numpy as np
from jaxtyping import Float

SQUARE = math.sqrt(math.pi) / 2  # half a side of the square of unit radius
TRIANGLE = math.sqrt(4 * math.pi / (3 * math.sqrt(3)))  # from the centre of the triangle of unit radius to a corner


def _regular(corners: int, reach: float, first: float) -> Float[np.ndarray, "corners 2"]:
    """Corners of a regular polygon, anticlockwise, the first at the angle `first` in degrees."""
    angles = np.radians(first + 360.0 * np.arange(corners) / corners)
    return reach * np.stack((np.cos(angles), np.sin(angles)), axis=1)


# corners of the shape of radius 1 at angle 0, y upwards, the centre of mass at the origin; a disc has none
OUTLINES: dict[str, Float[np.ndarray, "corners 2"]] = {
    "ball": np.zeros((0, 2)),
    "box": _regular(4, math.sqrt(2) * SQUARE, 45.0),
    "triangle": _regular(3, TRIANGLE, 90.0),
    "diamond": _regular(4, math.sqrt(2) * SQUARE, 0.0),
}


def outline(shape: str, radius: float) -> Float[np.ndarray, "corners 2"]:
    """The corners of a shape around its centre of mass, unturned; none for a ball."""
    return radius * OUTLINES[shape]


def reach(shape: str, radius: float) -> float:
    """The distance from the centre to the farthest point."""
    return radius * (float(np.linalg.norm(OUTLINES[shape], axis=1).max()) if len(OUTLINES[shape]) else 1.0)


def extent(shape: str, radius: float, direction: tuple[float, float]) -> float:
    """How far an unturned shape reaches from its centre towards a unit direction (its support function)."""
    corners = OUTLINES[shape]
    return radius * (float((corners @ np.asarray(direction)).max()) if len(corners) else 1.0)

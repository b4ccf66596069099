"""What does not move by itself: floors, walls, ramps and screens, as polygons in pixels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, eq=False)
class StaticShape:
    """A fixture: a convex polygon, or a line of two points; grown by `thickness` all round."""

    name: str
    corners: Float[np.ndarray, "corners 2"]
    thickness: float

    def signed_distance(
        self, places: Float[np.ndarray, "n 2"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 2"]]:
        """How far places are from its surface (below 0 inside), and the way out from there, of length 1."""
        ends = np.roll(self.corners, -1, axis=0)
        sides = ends - self.corners
        along = ((places[:, None] - self.corners) * sides).sum(-1) / np.maximum((sides**2).sum(-1), 1e-18)
        away = places[:, None] - (self.corners + np.clip(along, 0.0, 1.0)[..., None] * sides)
        far = np.linalg.norm(away, axis=-1)
        near = far.argmin(axis=1)
        rows = np.arange(len(places))
        best = far[rows, near]
        inside = self.contains(places)
        out = away[rows, near] / np.maximum(best, 1e-12)[:, None]
        edge = sides[near] / np.linalg.norm(sides[near], axis=1, keepdims=True)
        outward = np.stack((edge[:, 1], -edge[:, 0]), axis=1)  # of corners that go round as the middle sees it
        middle = self.corners.mean(axis=0)
        outward *= np.sign(((self.corners[near] - middle) * outward).sum(1, keepdims=True) + 1e-12)
        out = np.where((inside | (best < 1e-9))[:, None], outward, out)
        return np.where(inside, -best, best) - self.thickness, out

    def contains(self, places: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
        """Which places lie in it; none lie in a line."""
        if len(self.corners) < 3:
            return np.zeros(places.shape[:-1], dtype=bool)
        sides = np.roll(self.corners, -1, axis=0) - self.corners
        away = places[..., None, :] - self.corners
        cross = sides[:, 0] * away[..., 1] - sides[:, 1] * away[..., 0]
        return (cross >= 0).all(-1) | (cross <= 0).all(-1)

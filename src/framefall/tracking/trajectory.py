"""What tracking finds: where each object is, how it looks, and what happens to it."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from framefall.tracking.screens import Screens

EventKind = Literal["birth", "death", "contact", "occlusion", "reappearance"]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One object in the frames where it was seen. Places are in pixels, x to the right, y downwards, from the corner
    of the picture (the middle of the first pixel is 0.5, 0.5).
    """

    frames: Int[np.ndarray, " n"]  # ascending
    position: Float[np.ndarray, "n 2"]  # centroid (x, y) of the soft matte
    area: Float[np.ndarray, " n"]  # pixels, sum of the matte
    colour: Float[np.ndarray, "n 3"]  # CIE Lab, mean over the matte
    shape: Float[np.ndarray, "n moments"]  # second and higher moments, free of place, size and turn
    whole: Bool[np.ndarray, " n"]  # nothing of it is hidden or out of the picture

    @property
    def size(self) -> float:
        """The diameter in pixels of the disc of its full area."""
        area = self.area[self.whole] if self.whole.any() else self.area
        return float(2 * np.sqrt(np.median(area) / np.pi))


@dataclass(frozen=True)
class TrackEvent:
    """Something that happens to an object at a frame; an unexplained one breaks permanence."""

    kind: EventKind
    frame: int
    track: int  # index of the trajectory
    explained: bool
    by: str = ""  # border, occluder, object 2, contact ...


@dataclass(frozen=True, eq=False)
class Tracks:
    """Everything that was found in one clip."""

    objects: tuple[Trajectory, ...]
    events: tuple[TrackEvent, ...]
    frames: int
    height: int
    width: int
    fps: float
    noise: float  # of the background, standard deviation, 0..1
    coverage: float  # share of due object-frames that were measured, 0..1
    camera: Float[np.ndarray, "frames 2"] = field(default_factory=lambda: np.zeros((0, 2)))  # the view's way, pixels
    screens: Screens | None = None  # what stands upright and still; None: not looked for
    outlined: bool = True  # whether objects were told from a background; groups of points may be parts of one thing

    @property
    def measurable(self) -> bool:
        """Whether numbers may be drawn from it: below this coverage the answer is "not measurable"."""
        return self.coverage >= COVERAGE and bool(self.objects)

    def on(self, height: int, width: int) -> "Tracks":
        """The same on a picture of another size; the view's way is left out."""
        scale = np.array([width / self.width, height / self.height])
        objects = [replace(one, position=one.position * scale, area=one.area * scale.prod()) for one in self.objects]
        return replace(self, objects=tuple(objects), height=height, width=width, camera=np.zeros((0, 2)))


COVERAGE = 0.6

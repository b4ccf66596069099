"""What may explain that something comes or goes: the border of the picture, and occluders, known or found.

An occluder is found where an object is cut off by a straight upright or level edge until nothing of it is left.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from framefall.tracking.known_scene import Box
from framefall.tracking.matte import Blob
from framefall.tracking.tracklet import Tracklet

TOUCH = 1.0  # pixels: as near as this is touching
SHOWS = 0.4  # of an object that must be outside of an occluder to be missed
FEWEST = 7.0  # pixels of it that must be
_SPOTS = np.array([(x, y) for x in np.linspace(-1, 1, 9) for y in np.linspace(-1, 1, 9) if x * x + y * y < 1])
LEFT = 0.25  # of its full area that may be missing at once when the rest of it goes behind
CUT = 0.8  # of its full area that an object has at most when it is seen last, if something cuts it off


@dataclass
class Scenery:
    """The picture's size, its occluders (more are noted as they are found), and where the view has gone by now."""

    height: int
    width: int
    occluders: list[Box] = field(default_factory=list)  # as the first frame shows them
    known: int = 0  # how many of them were given
    view: tuple[float, float] = (0.0, 0.0)

    def boxes(self) -> list[Box]:
        """The occluders as the frame of now shows them."""
        x, y = self.view
        return [(left - x, top - y, right - x, bottom - y) for left, top, right, bottom in self.occluders]

    def clears(self, blob: Blob) -> bool:
        """Whether a blob touches neither border nor occluder, so that all of it is seen."""
        return not self.at_border(blob) and not any(_overlap(blob.box, box, TOUCH) for box in self.boxes())

    def at_border(self, blob: Blob) -> bool:
        """Whether a blob touches the border."""
        return self._beyond(blob.box, TOUCH)

    def enters(self, blob: Blob) -> bool:
        """Whether a blob that was not there before may have come over the border."""
        return self._beyond(blob.box, 1.5 + 0.5 * blob.radius)

    def leaves(self, last: Blob, place: np.ndarray, speed: np.ndarray, radius: float) -> bool:
        """Whether an object that is missing may have gone over the border."""
        x, y = place
        gone = x < radius or y < radius or x > self.width - radius or y > self.height - radius
        outward = any(
            (edge and going)
            for edge, going in (
                (last.box[0] < TOUCH, speed[0] <= 0),
                (last.box[1] < TOUCH, speed[1] <= 0),
                (last.box[2] > self.width - TOUCH, speed[0] >= 0),
                (last.box[3] > self.height - TOUCH, speed[1] >= 0),
            )
        )
        return bool((gone and self._beyond(last.box, 2 + 1.5 * float(np.abs(speed).max()))) or outward)

    def hides(self, tracklet: Tracklet, place: np.ndarray, speed: np.ndarray) -> int | None:
        """The occluder behind which an object that is missing has gone; a new one is noted."""
        reach = 1.0 + float(np.abs(speed).max())
        shows = max(SHOWS, FEWEST / tracklet.area)
        for index, box in enumerate(self.boxes()):
            little = tracklet.last.area < shows * tracklet.area or _seen(place, tracklet.radius, box) < shows
            if little and _overlap(tracklet.last.box, box, reach):
                return index
        cut = _cut_off(tracklet, self.height, self.width)
        if cut is None:
            return None
        x, y = self.view
        self.occluders.append((cut[0] + x, cut[1] + y, cut[2] + x, cut[3] + y))
        return len(self.occluders) - 1

    def beside(self, blob: Blob, occluder: str, step: float) -> bool:
        """Whether a blob is at the edge of an occluder, as what comes out from behind it is."""
        return _overlap(blob.box, self.boxes()[int(occluder)], 2.0 + 1.5 * step)

    def beside_any(self, blob: Blob) -> bool:
        """Whether a blob is at the edge of some occluder."""
        return any(_overlap(blob.box, box, 2.0 + 0.5 * blob.radius) for box in self.occluders)

    def _beyond(self, box: Box, margin: float) -> bool:
        left, top, right, bottom = box
        return bool(left < margin or top < margin or right > self.width - margin or bottom > self.height - margin)


def _seen(place: np.ndarray, radius: float, box: Box) -> float:
    """The share of a disc that is outside of a box."""
    points = place + radius * _SPOTS
    inside = (points[:, 0] > box[0]) & (points[:, 0] < box[2]) & (points[:, 1] > box[1]) & (points[:, 1] < box[3])
    return 1.0 - float(inside.mean())


def _overlap(one: Box, two: Box, margin: float) -> bool:
    return bool(
        one[0] < two[2] + margin and one[2] > two[0] - margin and one[1] < two[3] + margin and one[3] > two[1] - margin
    )


def _cut_off(tracklet: Tracklet, height: int, width: int) -> Box | None:
    """The box of what an object went behind: one side of what was seen of it stood still while it shrank."""
    full = max(blob.area for blob in tracklet.blobs[-30:])
    run: list[Blob] = []
    for blob in tracklet.blobs[:-13:-1]:
        if blob.area >= 0.97 * full:
            break
        run.insert(0, blob)
    if len(run) < 2 or run[-1].area > CUT * full:
        return None
    if run[-1].area + 1.5 * (run[-1].area - run[-2].area) > LEFT * full:
        return None  # more of it was still to be seen
    if any(after.area > 1.03 * before.area for before, after in pairwise(run)):
        return None
    boxes = np.array([blob.box for blob in run])
    for side in range(4):
        moved, other = np.ptp(boxes[:, side]), abs(boxes[-1, (side + 2) % 4] - boxes[0, (side + 2) % 4])
        shrunk = (
            (boxes[:, side] - boxes[:, (side + 2) % 4]) if side >= 2 else (boxes[:, (side + 2) % 4] - boxes[:, side])
        )
        if moved <= 1 and other >= max(1, 0.5 * (shrunk[0] - shrunk[-1])) and shrunk[-1] < shrunk[0]:
            edge = float(np.median(boxes[:, side]))
            low, high = float(boxes[:, (side + 1) % 2].min()) - 2, float(boxes[:, (side + 1) % 2 + 2].max()) + 2
            far = float(width if side % 2 == 0 else height) if side >= 2 else 0.0
            near, end = (edge, far) if side >= 2 else (far, edge)
            return (near, low, end, high) if side % 2 == 0 else (low, near, high, end)
    return None

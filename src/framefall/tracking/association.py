"""Which blob is which object: Hungarian assignment on place, colour and area, with a memory for what is out of sight.

Objects are found without asking what they are, and their colour is then compared: an object that changes its colour
stays the same object, and comes out from behind an occluder as itself. Lost objects are never forgotten.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from framefall.tracking.matte import Blob
from framefall.tracking.scenery import Scenery
from framefall.tracking.strand import Loss, Strand

MOST = 128  # objects that are told apart; a clip that has more is noise
BRIEF = 2  # frames; of things that touch one may be missing for so long because they were parted wrongly
UNLIKE = 25.0  # CIE Lab: farther apart are two colours
FAR = 1e6
FIRST = 4.0  # radii, and as many pixels, that an object of unknown speed may go in a frame


class Association:
    """The strands of a clip, as they grow frame by frame."""

    def __init__(self, scenery: Scenery) -> None:
        self.strands: list[Strand] = []
        self.scenery = scenery
        self._grown: dict[int, float] = {}  # by what area the objects of a connected piece grew since the last frame

    def step(self, frame: int, blobs: Sequence[Blob]) -> None:
        """One frame more."""
        active = [strand for strand in self.strands if not strand.lost]
        left = list(blobs)
        pushed = self._pushes(active, frame)
        costs = [
            [self._near(strand, blob, frame, push) for blob in left]
            for strand, push in zip(active, pushed, strict=True)
        ]
        for strand, blob in self._matched(active, left, costs):
            self._grow(strand, blob, frame)
        self._grown = {}
        for strand in active:
            if strand.frames[-1] == frame and len(strand.blobs) > 1:
                cluster = strand.last.cluster
                self._grown[cluster] = self._grown.get(cluster, 0.0) + strand.last.area - strand.blobs[-2].area
        missing = [strand for strand in active if strand.frames[-1] != frame]
        for strand in missing:
            strand.losses.append(self._lost(strand, frame, blobs))
        away = [strand for strand in self.strands if strand.lost]
        costs = [[self._again(strand, blob, frame) for blob in left] for strand in away]
        for strand, blob in self._matched(away, left, costs):
            loss = strand.losses[-1]
            loss.until = frame
            near = float(np.linalg.norm(strand.place(frame) - blob.place)) < strand.radius + 1
            if not loss.why and loss.detail and loss.until - loss.frame <= BRIEF and near:
                loss.why = "object"  # parted otherwise for a moment
            self._grow(strand, blob, frame)
        for blob in left[: MOST - len(self.strands)] if len(self.strands) < MOST else ():
            strand = Strand(born=self._origin(blob, frame))
            self._grow(strand, blob, frame)
            self.strands.append(strand)

    def _matched(
        self, strands: Sequence[Strand], blobs: list[Blob], costs: Sequence[Sequence[float]]
    ) -> list[tuple[Strand, Blob]]:
        """The cheapest pairs; their blobs are taken out of the list."""
        if not strands or not blobs:
            return []
        table = np.minimum(np.array(costs, dtype=float), FAR)
        pairs = [
            (row, column) for row, column in zip(*linear_sum_assignment(table), strict=True) if table[row, column] < FAR
        ]
        matched = [(strands[row], blobs[column]) for row, column in pairs]
        for column in sorted((column for _, column in pairs), reverse=True):
            del blobs[column]
        return matched

    def _grow(self, strand: Strand, blob: Blob, frame: int) -> None:
        strand.add(frame, blob, self.scenery.clears(blob))

    def _near(self, strand: Strand, blob: Blob, frame: int, pushed: float) -> float:
        """The cost of a blob as an object's next place."""
        here, before, place = np.array(blob.place), np.array(strand.last.place), strand.place(frame)
        step = float(np.linalg.norm(strand.speed(frame)))
        off, gone = float(np.linalg.norm(here - place)), float(np.linalg.norm(here - before))
        slack = 2.0 + 0.8 * strand.radius
        if strand.fresh:
            allowed = gone < FIRST * (strand.radius + 1) or self._alone(strand, blob)
        else:
            # a bounce or a blow may turn it anywhere, but it goes no farther than it was going, or than who hits it
            top = max(step, strand.fastest)
            way = (1.6 if top > strand.radius else 1.25) * max(top, pushed)
            allowed = off < slack or gone < 0.5 * strand.radius + 1.5 + way
        if not allowed:
            return FAR
        apart = float(np.linalg.norm(np.array(blob.colour) - strand.colour)) / UNLIKE
        if apart > 1 and off > slack:
            return FAR
        scale = (off / (slack + 0.5 * step)) ** 2
        grown = abs(float(np.log(blob.area / strand.area)))
        return scale + min(apart**2, 6.0) + min(grown, 1.0) * (0.5 if self.scenery.clears(blob) else 0.1)

    def _alone(self, strand: Strand, blob: Blob) -> bool:
        """Whether a fresh object far from a blob is still the only one that it can be."""
        colour = np.array(blob.colour)
        if float(np.linalg.norm(colour - strand.colour)) > UNLIKE or not 0.5 < blob.area / strand.area < 2:
            return False
        others = (other for other in self.strands if other is not strand)
        return all(float(np.linalg.norm(colour - other.colour)) > UNLIKE for other in others)

    def _pushes(self, active: Sequence[Strand], frame: int) -> list[float]:
        """How fast, in pixels a frame, other objects that are near enough may make each one."""
        if len(active) < 2:
            return [0.0] * len(active)
        speed = np.array([float(np.linalg.norm(strand.speed(frame))) for strand in active])
        place = np.array([strand.last.place for strand in active])
        radius = np.array([strand.radius for strand in active])
        apart = np.linalg.norm(place[:, None] - place, axis=2)
        reach = 1.2 * (radius[:, None] + radius) + 1.5 * speed + 2
        near = (apart < reach) & ~np.eye(len(active), dtype=bool)
        return list(np.where(near, 1.6 * speed, 0.0).max(axis=1))

    def _lost(self, strand: Strand, frame: int, blobs: Sequence[Blob]) -> Loss:
        """Why an object is not seen any more."""
        place, speed = strand.place(frame), strand.speed(frame)
        if self.scenery.leaves(strand.last, place, speed, strand.radius):
            return Loss(frame, "border")
        occluder = self.scenery.hides(strand, place, speed)
        if occluder is not None:
            return Loss(frame, "occluder", str(occluder))
        beside = ""
        for index, other in enumerate(self.strands):
            if other is strand or other.lost or other.frames[-1] != frame:
                continue
            apart = float(np.linalg.norm(place - other.last.place))
            if apart < max(other.last.radius, other.radius) + 0.5 or self._merged(strand, other, apart):
                self._grown[other.last.cluster] = self._grown.get(other.last.cluster, 0.0) - strand.last.area
                return Loss(frame, "object", str(index))
            if apart < 1.5 * (strand.radius + other.radius) + 2:
                beside = str(index)
        return Loss(frame, "", beside)

    def _merged(self, strand: Strand, other: Strand, apart: float) -> bool:
        """Whether the piece of an object that is touched has grown by about what is missing."""
        if apart > 1.5 * (strand.radius + other.radius) + 2:
            return False
        return self._grown.get(other.last.cluster, 0.0) > 0.5 * strand.last.area

    def _again(self, strand: Strand, blob: Blob, frame: int) -> float:
        """The cost of a blob as the place where a lost object is seen again."""
        loss = strand.losses[-1]
        gap = frame - loss.frame
        here, place = np.array(blob.place), strand.place(frame)
        step = float(np.linalg.norm(strand.speed(strand.frames[-1])))
        allowed = 2.5 * strand.radius + 2 + 0.3 * step * (gap + 1)
        off = float(np.linalg.norm(here - place)) / allowed
        apart = float(np.linalg.norm(np.array(blob.colour) - strand.colour)) / UNLIKE
        ratio = blob.area / strand.area
        alike = apart < 1 and (0.5 < ratio < 2 or not self.scenery.clears(blob))
        if loss.why == "border":
            fits = alike and self.scenery.enters(blob)
        elif loss.why == "occluder":
            at_edge = self.scenery.beside(blob, loss.detail, step)
            gone = float(np.linalg.norm(here - strand.last.place))
            soon = gone > 1.6 * step * (gap + 1) + 2 * strand.radius  # sooner than it can be there
            fits = (at_edge and (apart < 1 or (not soon and (off < 1 or self._in_lane(strand, here))))) or (
                alike and (off < 1 or loss.detail == "")
            )
        elif loss.why == "object":
            fits = alike and (off < 1.5 or self._beside(blob, int(loss.detail)))
        else:
            fits = (alike and not self.scenery.at_border(blob)) or (off < 0.6 and gap <= 2)
        return min(off, 4.0) + min(apart, 4.0) + 0.2 * min(abs(float(np.log(ratio))), 1.0) if fits else FAR

    def _in_lane(self, strand: Strand, here: np.ndarray) -> bool:
        """Whether a place is on the line along which an object went, in either sense."""
        frame = strand.frames[-1]
        speed = strand.speed(frame)
        way = speed / max(float(np.linalg.norm(speed)), 1e-6)
        dx, dy = here - strand.last.place
        return abs(float(way[0] * dy - way[1] * dx)) < strand.radius + 1

    def _beside(self, blob: Blob, index: int) -> bool:
        other = self.strands[index]
        apart = float(np.linalg.norm(np.array(blob.place) - other.last.place))
        return apart < 2 * (blob.radius + other.radius) + 3

    def _origin(self, blob: Blob, frame: int) -> str:
        """Where a new object comes from; the empty word if from nowhere."""
        if frame == 0:
            return "start"
        for index, other in enumerate(self.strands):
            if (
                other.lost
                and other.losses[-1].frame == frame
                and other.last.area > 1.3 * blob.area
                and _inside(blob, other.last)
            ):
                other.losses[-1].why, other.losses[-1].detail = "object", str(len(self.strands))
                return f"object {index}"
        if self.scenery.enters(blob):
            return "border"
        for index, other in enumerate(self.strands):
            if other.frames[-1] != frame or len(other.frames) < 2:
                continue
            apart = float(np.linalg.norm(np.array(blob.place) - other.last.place))
            shrunk = other.blobs[-2].area - other.last.area
            same = other.last.cluster == blob.cluster
            if same and self._grown.get(blob.cluster, 0.0) < -0.5 * blob.area:
                return f"object {index}"
            if apart < 1.5 * (blob.radius + other.radius) + 2 and shrunk > 0.5 * blob.area:
                return f"object {index}"
        return ""


def _inside(blob: Blob, other: Blob) -> bool:
    """Whether a blob's middle is where another one was."""
    x, y = blob.place
    left, top, right, bottom = other.box
    return left <= x <= right and top <= y <= bottom

"""Which blob is which object: Hungarian assignment on place, colour and area, with a memory for what is out of sight.

Objects are found without asking what they are, and their colour is then compared: an object that changes its colour
stays the same object, and comes out from behind an occluder as itself. Lost objects are never forgotten.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from framefall.tracking.matte import Blob
from framefall.tracking.scenery import Scenery
from framefall.tracking.tracklet import Absence, Tracklet

MOST = 128  # objects that are told apart; a clip that has more is noise
BRIEF = 2  # frames; of things that touch one may be missing for so long because they were parted wrongly
UNLIKE = 25.0  # CIE Lab: farther apart are two colours
FAR = 1e6
FIRST = 4.0  # radii, and as many pixels, that an object of unknown speed may go in a frame


class Association:
    """The tracklets of a clip, as they grow frame by frame."""

    def __init__(self, scenery: Scenery) -> None:
        self.tracklets: list[Tracklet] = []
        self.scenery = scenery
        self._grown: dict[int, float] = {}  # by what area the objects of a connected piece grew since the last frame

    def step(self, frame: int, blobs: Sequence[Blob]) -> None:
        """One frame more."""
        active = [tracklet for tracklet in self.tracklets if not tracklet.lost]
        left = list(blobs)
        pushed = self._pushes(active, frame)
        costs = [
            [self._near(tracklet, blob, frame, push) for blob in left]
            for tracklet, push in zip(active, pushed, strict=True)
        ]
        for tracklet, blob in self._matched(active, left, costs):
            self._grow(tracklet, blob, frame)
        self._grown = {}
        for tracklet in active:
            if tracklet.frames[-1] == frame and len(tracklet.blobs) > 1:
                cluster = tracklet.last.cluster
                self._grown[cluster] = self._grown.get(cluster, 0.0) + tracklet.last.area - tracklet.blobs[-2].area
        missing = [tracklet for tracklet in active if tracklet.frames[-1] != frame]
        for tracklet in missing:
            tracklet.absences.append(self._lost(tracklet, frame, blobs))
        away = [tracklet for tracklet in self.tracklets if tracklet.lost]
        costs = [[self._again(tracklet, blob, frame) for blob in left] for tracklet in away]
        for tracklet, blob in self._matched(away, left, costs):
            absence = tracklet.absences[-1]
            absence.until = frame
            near = float(np.linalg.norm(tracklet.predict(frame) - blob.position)) < tracklet.radius + 1
            if not absence.why and absence.detail and absence.until - absence.frame <= BRIEF and near:
                absence.why = "object"  # parted otherwise for a moment
            self._grow(tracklet, blob, frame)
        for blob in left[: MOST - len(self.tracklets)] if len(self.tracklets) < MOST else ():
            tracklet = Tracklet(born=self._origin(blob, frame))
            self._grow(tracklet, blob, frame)
            self.tracklets.append(tracklet)

    def _matched(
        self, tracklets: Sequence[Tracklet], blobs: list[Blob], costs: Sequence[Sequence[float]]
    ) -> list[tuple[Tracklet, Blob]]:
        """The cheapest pairs; their blobs are taken out of the list."""
        if not tracklets or not blobs:
            return []
        table = np.minimum(np.array(costs, dtype=float), FAR)
        pairs = [
            (row, column) for row, column in zip(*linear_sum_assignment(table), strict=True) if table[row, column] < FAR
        ]
        matched = [(tracklets[row], blobs[column]) for row, column in pairs]
        for column in sorted((column for _, column in pairs), reverse=True):
            del blobs[column]
        return matched

    def _grow(self, tracklet: Tracklet, blob: Blob, frame: int) -> None:
        tracklet.add(frame, blob, self.scenery.clears(blob))

    def _near(self, tracklet: Tracklet, blob: Blob, frame: int, pushed: float) -> float:
        """The cost of a blob as an object's next place."""
        here, before, place = np.array(blob.position), np.array(tracklet.last.position), tracklet.predict(frame)
        step = float(np.linalg.norm(tracklet.speed(frame)))
        off, gone = float(np.linalg.norm(here - place)), float(np.linalg.norm(here - before))
        slack = 2.0 + 0.8 * tracklet.radius
        if tracklet.fresh:
            allowed = gone < FIRST * (tracklet.radius + 1) or self._alone(tracklet, blob)
        else:
            # a bounce or a blow may turn it anywhere, but it goes no farther than it was going, or than who hits it
            top = max(step, tracklet.fastest)
            way = (1.6 if top > tracklet.radius else 1.25) * max(top, pushed)
            allowed = off < slack or gone < 0.5 * tracklet.radius + 1.5 + way
        if not allowed:
            return FAR
        apart = float(np.linalg.norm(np.array(blob.colour) - tracklet.colour)) / UNLIKE
        if apart > 1 and off > slack:
            return FAR
        scale = (off / (slack + 0.5 * step)) ** 2
        grown = abs(float(np.log(blob.area / tracklet.area)))
        return scale + min(apart**2, 6.0) + min(grown, 1.0) * (0.5 if self.scenery.clears(blob) else 0.1)

    def _alone(self, tracklet: Tracklet, blob: Blob) -> bool:
        """Whether a fresh object far from a blob is still the only one that it can be."""
        colour = np.array(blob.colour)
        if float(np.linalg.norm(colour - tracklet.colour)) > UNLIKE or not 0.5 < blob.area / tracklet.area < 2:
            return False
        others = (other for other in self.tracklets if other is not tracklet)
        return all(float(np.linalg.norm(colour - other.colour)) > UNLIKE for other in others)

    def _pushes(self, active: Sequence[Tracklet], frame: int) -> list[float]:
        """How fast, in pixels a frame, other objects that are near enough may make each one."""
        if len(active) < 2:
            return [0.0] * len(active)
        speed = np.array([float(np.linalg.norm(tracklet.speed(frame))) for tracklet in active])
        place = np.array([tracklet.last.position for tracklet in active])
        radius = np.array([tracklet.radius for tracklet in active])
        apart = np.linalg.norm(place[:, None] - place, axis=2)
        reach = 1.2 * (radius[:, None] + radius) + 1.5 * speed + 2
        near = (apart < reach) & ~np.eye(len(active), dtype=bool)
        return list(np.where(near, 1.6 * speed, 0.0).max(axis=1))

    def _lost(self, tracklet: Tracklet, frame: int, blobs: Sequence[Blob]) -> Absence:
        """Why an object is not seen any more."""
        place, speed = tracklet.predict(frame), tracklet.speed(frame)
        if self.scenery.leaves(tracklet.last, place, speed, tracklet.radius):
            return Absence(frame, "border")
        occluder = self.scenery.hides(tracklet, place, speed)
        if occluder is not None:
            return Absence(frame, "occluder", str(occluder))
        beside = ""
        for index, other in enumerate(self.tracklets):
            if other is tracklet or other.lost or other.frames[-1] != frame:
                continue
            apart = float(np.linalg.norm(place - other.last.position))
            if apart < max(other.last.radius, other.radius) + 0.5 or self._merged(tracklet, other, apart):
                self._grown[other.last.cluster] = self._grown.get(other.last.cluster, 0.0) - tracklet.last.area
                return Absence(frame, "object", str(index))
            if apart < 1.5 * (tracklet.radius + other.radius) + 2:
                beside = str(index)
        return Absence(frame, "", beside)

    def _merged(self, tracklet: Tracklet, other: Tracklet, apart: float) -> bool:
        """Whether the piece of an object that is touched has grown by about what is missing."""
        if apart > 1.5 * (tracklet.radius + other.radius) + 2:
            return False
        return self._grown.get(other.last.cluster, 0.0) > 0.5 * tracklet.last.area

    def _again(self, tracklet: Tracklet, blob: Blob, frame: int) -> float:
        """The cost of a blob as the place where a lost object is seen again."""
        absence = tracklet.absences[-1]
        gap = frame - absence.frame
        here, place = np.array(blob.position), tracklet.predict(frame)
        step = float(np.linalg.norm(tracklet.speed(tracklet.frames[-1])))
        allowed = 2.5 * tracklet.radius + 2 + 0.3 * step * (gap + 1)
        off = float(np.linalg.norm(here - place)) / allowed
        apart = float(np.linalg.norm(np.array(blob.colour) - tracklet.colour)) / UNLIKE
        ratio = blob.area / tracklet.area
        alike = apart < 1 and (0.5 < ratio < 2 or not self.scenery.clears(blob))
        if absence.why == "border":
            fits = alike and self.scenery.enters(blob)
        elif absence.why == "occluder":
            at_edge = self.scenery.beside(blob, absence.detail, step)
            gone = float(np.linalg.norm(here - tracklet.last.position))
            soon = gone > 1.6 * step * (gap + 1) + 2 * tracklet.radius  # sooner than it can be there
            fits = (at_edge and (apart < 1 or (not soon and (off < 1 or self._in_lane(tracklet, here))))) or (
                alike and (off < 1 or absence.detail == "")
            )
        elif absence.why == "object":
            fits = alike and (off < 1.5 or self._beside(blob, int(absence.detail)))
        else:
            fits = (alike and not self.scenery.at_border(blob)) or (off < 0.6 and gap <= 2)
        return min(off, 4.0) + min(apart, 4.0) + 0.2 * min(abs(float(np.log(ratio))), 1.0) if fits else FAR

    def _in_lane(self, tracklet: Tracklet, here: np.ndarray) -> bool:
        """Whether a place is on the line along which an object went, in either sense."""
        frame = tracklet.frames[-1]
        speed = tracklet.speed(frame)
        way = speed / max(float(np.linalg.norm(speed)), 1e-6)
        dx, dy = here - tracklet.last.position
        return abs(float(way[0] * dy - way[1] * dx)) < tracklet.radius + 1

    def _beside(self, blob: Blob, index: int) -> bool:
        other = self.tracklets[index]
        apart = float(np.linalg.norm(np.array(blob.position) - other.last.position))
        return apart < 2 * (blob.radius + other.radius) + 3

    def _origin(self, blob: Blob, frame: int) -> str:
        """Where a new object comes from; the empty word if from nowhere."""
        if frame == 0:
            return "start"
        for index, other in enumerate(self.tracklets):
            if (
                other.lost
                and other.absences[-1].frame == frame
                and other.last.area > 1.3 * blob.area
                and _inside(blob, other.last)
            ):
                other.absences[-1].why, other.absences[-1].detail = "object", str(len(self.tracklets))
                return f"object {index}"
        if self.scenery.enters(blob):
            return "border"
        for index, other in enumerate(self.tracklets):
            if other.frames[-1] != frame or len(other.frames) < 2:
                continue
            apart = float(np.linalg.norm(np.array(blob.position) - other.last.position))
            shrunk = other.blobs[-2].area - other.last.area
            same = other.last.cluster == blob.cluster
            if same and self._grown.get(blob.cluster, 0.0) < -0.5 * blob.area:
                return f"object {index}"
            if apart < 1.5 * (blob.radius + other.radius) + 2 and shrunk > 0.5 * blob.area:
                return f"object {index}"
        return ""


def _inside(blob: Blob, other: Blob) -> bool:
    """Whether a blob's middle is where another one was."""
    x, y = blob.position
    left, top, right, bottom = other.box
    return left <= x <= right and top <= y <= bottom

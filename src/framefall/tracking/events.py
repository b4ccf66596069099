"""What happens to objects, told from their finished tracks: and whether something explains it.

Explained are the border, an occluder, another object that covers or touches it, and the beginning of the clip. What was
due and did not come back breaks permanence as much as what vanished in the open.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from framefall.tracking.scenery import Scenery
from framefall.tracking.tracklet import Absence, Tracklet, extrapolated
from framefall.tracking.trajectory import TrackEvent

SLACK = 2  # frames that something may come out later than it should
LATER = 0.15  # of the time that it is hidden, and more
NEVER = 0.1  # seconds for which a thing must have been due before the clip ends


def events_of(tracklets: Sequence[Tracklet], scenery: Scenery, frames: int, fps: float) -> tuple[list[TrackEvent], int]:
    """All events in the order of frames, and how many object-frames are missing without explanation."""
    events: list[TrackEvent] = []
    missing = 0
    for index, tracklet in enumerate(tracklets):
        events.append(_birth(index, tracklet, scenery))
        for absence in tracklet.absences:
            found, gap = _loss(index, tracklet, absence, scenery, frames, fps)
            events.extend(found)
            missing += gap
    events.extend(_contacts(tracklets))
    return sorted(events, key=lambda event: (event.frame, event.track)), missing


def _birth(index: int, tracklet: Tracklet, scenery: Scenery) -> TrackEvent:
    by, frame = tracklet.born, tracklet.frames[0]
    if by in ("", "border") and not scenery.at_border(tracklet.blobs[0]):
        by = "border" if _from_outside(tracklet, scenery) else ""
    if not by and scenery.occluders and not scenery.known and scenery.beside_any(tracklet.blobs[0]):
        by = "occluder"  # what an occluder hid from the beginning nobody can know
    if not by and scenery.beside_any(tracklet.blobs[0]):
        return TrackEvent("birth", frame, index, explained=False, by="occluder")
    return TrackEvent("birth", frame, index, explained=bool(by), by=by)


def _from_outside(tracklet: Tracklet, scenery: Scenery) -> bool:
    """Whether one frame earlier it would not have been in the picture, or not wholly."""
    if len(tracklet.frames) < 2 or tracklet.frames[1] - tracklet.frames[0] > 1:
        return False
    count = min(4, len(tracklet.frames))
    frames, places = tracklet.frames[:count][::-1], np.array([blob.position for blob in tracklet.blobs[:count]])[::-1]
    x, y = extrapolated([-f for f in frames], places, -(tracklet.frames[0] - 1))
    radius = tracklet.radius
    return bool(x < radius or y < radius or x > scenery.width - radius or y > scenery.height - radius)


def _loss(
    index: int, tracklet: Tracklet, absence: Absence, scenery: Scenery, frames: int, fps: float
) -> tuple[list[TrackEvent], int]:
    """The events of one absence, and its unexplained frames."""
    by = f"object {absence.detail}" if absence.why == "object" else absence.why
    back = absence.until >= 0
    if absence.why in ("occluder", "object"):
        events = [TrackEvent("occlusion", absence.frame, index, explained=True, by=by)]
        if back:
            return [*events, TrackEvent("reappearance", absence.until, index, explained=True, by=by)], 0
        due = (
            _due(tracklet, absence.frame, scenery, int(absence.detail), frames) if absence.why == "occluder" else frames
        )
        if frames - due >= NEVER * fps:
            return [*events, TrackEvent("death", due, index, explained=False, by="occluder")], frames - due
        return events, 0
    if absence.why == "border":
        events = [TrackEvent("death", absence.frame, index, explained=True, by="border")]
        return [
            *events,
            TrackEvent("reappearance", absence.until, index, explained=True, by="border"),
        ] if back else events, 0
    events = [TrackEvent("death", absence.frame, index, explained=False)]
    if back:
        return [*events, TrackEvent("reappearance", absence.until, index, explained=False)], max(
            1, absence.until - absence.frame
        )
    return events, frames - absence.frame


def _due(tracklet: Tracklet, start: int, scenery: Scenery, occluder: int, frames: int) -> int:
    """The frame by which what went behind an occluder should be seen again; after the clip if nobody can tell."""
    if occluder >= scenery.known:
        return frames + 1
    left, top, right, bottom = scenery.occluders[occluder]
    count = min(10, len(tracklet.frames))
    whole = [
        i for i, clear in enumerate(tracklet.clear[-count - 10 :], max(0, len(tracklet.clear) - count - 10)) if clear
    ]
    chosen = (
        whole[-count:] if len(whole) >= 2 else list(range(max(0, len(tracklet.frames) - count), len(tracklet.frames)))
    )
    if len(chosen) < 2:
        return frames + 1
    when, where = [tracklet.frames[i] for i in chosen], np.array([tracklet.blobs[i].position for i in chosen])
    radius = 0.5 * tracklet.radius
    for frame in range(start, frames):
        x, y = extrapolated(when, where, frame)
        if x - radius > right or x + radius < left or y - radius > bottom or y + radius < top:
            late = frame + SLACK + int(LATER * (frame - start))
            inside = 0 < x < scenery.width and 0 < y < scenery.height
            return late if inside else frames + 1
    return frames + 1


def _contacts(tracklets: Sequence[Tracklet]) -> Iterator[TrackEvent]:
    """Each moment at which two objects come to touch."""
    places = [dict(zip(tracklet.frames, tracklet.blobs, strict=True)) for tracklet in tracklets]
    for first in range(len(tracklets)):
        for second in range(first + 1, len(tracklets)):
            last = -10
            for frame in tracklets[first].frames:
                one, two = places[first][frame], places[second].get(frame)
                if two is None:
                    continue
                apart = float(np.hypot(one.position[0] - two.position[0], one.position[1] - two.position[1]))
                if apart < one.radius + two.radius + 1.0 or (one.cluster == two.cluster and _meet(one.box, two.box)):
                    if frame > last + 2:
                        yield TrackEvent("contact", frame, first, explained=True, by=f"object {second}")
                        yield TrackEvent("contact", frame, second, explained=True, by=f"object {first}")
                    last = frame


def _meet(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] <= two[2] and one[2] >= two[0] and one[1] <= two[3] and one[3] >= two[1]

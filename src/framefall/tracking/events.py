"""What happens to objects, told from their finished tracks: and whether something explains it.

Explained are the border, an occluder, another object that covers or touches it, and the beginning of the clip. What was
due and did not come back breaks permanence as much as what vanished in the open.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from framefall.tracking.scenery import Scenery
from framefall.tracking.strand import Loss, Strand, extrapolated
from framefall.tracking.trajectory import Event

SLACK = 2  # frames that something may come out later than it should
LATER = 0.15  # of the time that it is hidden, and more
NEVER = 0.1  # seconds for which a thing must have been due before the clip ends


def events_of(strands: Sequence[Strand], scenery: Scenery, frames: int, fps: float) -> tuple[list[Event], int]:
    """All events in the order of frames, and how many object-frames are missing without explanation."""
    events: list[Event] = []
    missing = 0
    for index, strand in enumerate(strands):
        events.append(_birth(index, strand, scenery))
        for loss in strand.losses:
            found, gap = _loss(index, strand, loss, scenery, frames, fps)
            events.extend(found)
            missing += gap
    events.extend(_contacts(strands))
    return sorted(events, key=lambda event: (event.frame, event.track)), missing


def _birth(index: int, strand: Strand, scenery: Scenery) -> Event:
    by, frame = strand.born, strand.frames[0]
    if by in ("", "border") and not scenery.at_border(strand.blobs[0]):
        by = "border" if _from_outside(strand, scenery) else ""
    if not by and scenery.occluders and not scenery.known and scenery.beside_any(strand.blobs[0]):
        by = "occluder"  # what an occluder hid from the beginning nobody can know
    if not by and scenery.beside_any(strand.blobs[0]):
        return Event("birth", frame, index, explained=False, by="occluder")
    return Event("birth", frame, index, explained=bool(by), by=by)


def _from_outside(strand: Strand, scenery: Scenery) -> bool:
    """Whether one frame earlier it would not have been in the picture, or not wholly."""
    if len(strand.frames) < 2 or strand.frames[1] - strand.frames[0] > 1:
        return False
    count = min(4, len(strand.frames))
    frames, places = strand.frames[:count][::-1], np.array([blob.place for blob in strand.blobs[:count]])[::-1]
    x, y = extrapolated([-f for f in frames], places, -(strand.frames[0] - 1))
    radius = strand.radius
    return bool(x < radius or y < radius or x > scenery.width - radius or y > scenery.height - radius)


def _loss(index: int, strand: Strand, loss: Loss, scenery: Scenery, frames: int, fps: float) -> tuple[list[Event], int]:
    """The events of one absence, and its unexplained frames."""
    by = f"object {loss.detail}" if loss.why == "object" else loss.why
    back = loss.until >= 0
    if loss.why in ("occluder", "object"):
        events = [Event("occlusion", loss.frame, index, explained=True, by=by)]
        if back:
            return [*events, Event("reappearance", loss.until, index, explained=True, by=by)], 0
        due = _due(strand, loss.frame, scenery, int(loss.detail), frames) if loss.why == "occluder" else frames
        if frames - due >= NEVER * fps:
            return [*events, Event("death", due, index, explained=False, by="occluder")], frames - due
        return events, 0
    if loss.why == "border":
        events = [Event("death", loss.frame, index, explained=True, by="border")]
        return [*events, Event("reappearance", loss.until, index, explained=True, by="border")] if back else events, 0
    events = [Event("death", loss.frame, index, explained=False)]
    if back:
        return [*events, Event("reappearance", loss.until, index, explained=False)], max(1, loss.until - loss.frame)
    return events, frames - loss.frame


def _due(strand: Strand, start: int, scenery: Scenery, occluder: int, frames: int) -> int:
    """The frame by which what went behind an occluder should be seen again; after the clip if nobody can tell."""
    if occluder >= scenery.known:
        return frames + 1
    left, top, right, bottom = scenery.occluders[occluder]
    count = min(10, len(strand.frames))
    whole = [i for i, clear in enumerate(strand.clear[-count - 10 :], max(0, len(strand.clear) - count - 10)) if clear]
    chosen = whole[-count:] if len(whole) >= 2 else list(range(max(0, len(strand.frames) - count), len(strand.frames)))
    if len(chosen) < 2:
        return frames + 1
    when, where = [strand.frames[i] for i in chosen], np.array([strand.blobs[i].place for i in chosen])
    radius = 0.5 * strand.radius
    for frame in range(start, frames):
        x, y = extrapolated(when, where, frame)
        if x - radius > right or x + radius < left or y - radius > bottom or y + radius < top:
            late = frame + SLACK + int(LATER * (frame - start))
            inside = 0 < x < scenery.width and 0 < y < scenery.height
            return late if inside else frames + 1
    return frames + 1


def _contacts(strands: Sequence[Strand]) -> Iterator[Event]:
    """Each moment at which two objects come to touch."""
    places = [dict(zip(strand.frames, strand.blobs, strict=True)) for strand in strands]
    for first in range(len(strands)):
        for second in range(first + 1, len(strands)):
            last = -10
            for frame in strands[first].frames:
                one, two = places[first][frame], places[second].get(frame)
                if two is None:
                    continue
                apart = float(np.hypot(one.place[0] - two.place[0], one.place[1] - two.place[1]))
                if apart < one.radius + two.radius + 1.0 or (one.cluster == two.cluster and _meet(one.box, two.box)):
                    if frame > last + 2:
                        yield Event("contact", frame, first, explained=True, by=f"object {second}")
                        yield Event("contact", frame, second, explained=True, by=f"object {first}")
                    last = frame


def _meet(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] <= two[2] and one[2] >= two[0] and one[1] <= two[3] and one[3] >= two[1]

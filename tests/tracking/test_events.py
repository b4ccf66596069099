"""Occlusions with their ends, and what never comes out or never went in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from framefall.noise import Key
from framefall.tracking.events import events_of
from framefall.tracking.matte import Blob
from framefall.tracking.scenery import Scenery
from framefall.tracking.tracker import track
from framefall.tracking.tracklet import Absence, Tracklet
from framefall.worlds.violations.registry import break_physics

Shoot = Callable[..., Any]


def test_an_occlusion_is_told_with_its_end(shoot: Shoot) -> None:
    shot = shoot("occluder", 0, 64)
    events = [e for e in shot.tracks().events if e.kind != "birth"]
    assert [(event.kind, event.by) for event in events[:2]] == [("occlusion", "occluder"), ("reappearance", "occluder")]
    seen = shot.whole(shot.log.scene.bodies[0].name)
    hidden = np.flatnonzero(~seen[: events[1].frame])
    assert hidden[0] <= events[0].frame <= events[1].frame <= hidden[-1] + 1


@pytest.mark.parametrize("name", ["hidden_vanish", "unentered"])
def test_who_never_comes_out_and_who_never_went_in_are_seen(name: str, shoot: Shoot, world: Shoot) -> None:
    twin = break_physics(world("occluder", 0), name, Key(0, "t", "occluder0"))
    tracks = track(shoot(twin, size=64).video(), 24.0, scene=shoot("occluder", 0, 64).known())
    assert any(not event.explained and event.by == "occluder" for event in tracks.events)


def tracklet(x: float, speed: float, frames: range, born: str = "start", y: float = 50.0) -> Tracklet:
    one = Tracklet(born=born)
    y = float(y)
    for frame in frames:
        here = float(x + speed * frame)
        box = (here - 4, y - 4, here + 4, y + 4)
        one.add(frame, Blob((here, y), 50.0, (50.0, 60.0, 40.0), np.zeros(3), np.zeros(4), box, frame, 1), True)
    return one


def test_what_vanishes_in_the_open_is_missing_until_the_clip_ends() -> None:
    one = tracklet(20, 2, range(10))
    one.absences.append(Absence(10, ""))
    events, missing = events_of([one], Scenery(100, 100), 24, 24.0)
    assert [(e.kind, e.frame, e.explained) for e in events] == [("birth", 0, True), ("death", 10, False)]
    assert missing == 14


def test_who_goes_out_is_explained_and_nothing_is_missing() -> None:
    one = tracklet(76, 2, range(10))
    one.absences.append(Absence(10, "border"))
    events, missing = events_of([one], Scenery(100, 100), 24, 24.0)
    assert [(e.kind, e.explained, e.by) for e in events][1:] == [("death", True, "border")] and missing == 0


def test_who_is_due_from_behind_an_occluder_and_does_not_come_breaks_permanence() -> None:
    scenery = Scenery(100, 100, [(38.0, 30.0, 50.0, 70.0)], 1)
    one = tracklet(20, 2, range(10))
    one.absences.append(Absence(10, "occluder", "0"))
    events, missing = events_of([one], scenery, 40, 24.0)
    occlusion, death = events[1:]
    assert (occlusion.kind, occlusion.explained) == ("occlusion", True)
    # its back passes x = 50 after 16 frames; two frames of slack, and some of the time that it is hidden
    assert (death.kind, death.explained, death.by) == ("death", False, "occluder") and 16 <= death.frame <= 20
    assert missing == 40 - death.frame
    short, none = events_of([one], scenery, 18, 24.0)  # the control: a clip that ends before it is due
    assert [e.kind for e in short] == ["birth", "occlusion"] and none == 0


def test_who_comes_from_nowhere_is_unexplained_and_who_was_outside_a_frame_before_is_not() -> None:
    found = [
        events_of([tracklet(x, 3, range(4, 12), "")], Scenery(100, 100), 24, 24.0)[0][0] for x in (50 - 12, 5 - 12)
    ]
    assert [(e.kind, e.frame, e.explained) for e in found] == [("birth", 4, False), ("birth", 4, True)]


def test_a_contact_is_told_once_for_both() -> None:
    one, two = tracklet(20, 2, range(12)), tracklet(60, -2, range(12))
    events, _ = events_of([one, two], Scenery(100, 100), 12, 24.0)
    told = [(e.kind, e.track, e.by) for e in events if e.kind == "contact"]
    assert told == [("contact", 0, "object 1"), ("contact", 1, "object 0")]
    apart, _ = events_of([one, tracklet(60, -2, range(12), y=80)], Scenery(100, 100), 12, 24.0)
    assert not [e for e in apart if e.kind == "contact"]

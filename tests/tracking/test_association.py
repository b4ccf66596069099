"""Which blob is which object, whatever its colour, and what nobody can explain."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from examples import examples
from framefall.noise import Key
from framefall.tracking.association import Association
from framefall.tracking.known_scene import Box
from framefall.tracking.matte import Blob
from framefall.tracking.scenery import Scenery
from framefall.tracking.tracker import track
from framefall.worlds.violations.registry import break_physics

Shoot = Callable[..., Any]


@pytest.mark.parametrize("scenario", ["occluder", "occluder_bounce"])
def test_another_colour_behind_an_occluder_is_the_same_object_with_another_colour(
    scenario: str, shoot: Shoot, world: Shoot
) -> None:
    """Tracking by colour would report that one object vanished, and that another came."""
    for index in range(examples(2, 4)):
        log = world(scenario, index)
        twin = break_physics(log, "hidden_colour", Key(0, "t", f"{scenario}{index}"))
        shot = shoot(twin, size=64)
        tracks = track(shot.video(), 24.0, scene=shoot(scenario, index, 64).known())
        assert len(tracks.objects) == len(log.scene.bodies), index
        assert all(event.explained for event in tracks.events), index
        changed = [np.linalg.norm(one.colour[one.whole][-1] - one.colour[one.whole][0]) for one in tracks.objects]
        assert max(changed) > 30, index  # of the twin's body
        assert sorted(changed)[:-1] == [c for c in sorted(changed)[:-1] if c < 5]  # and of no other


def test_balls_that_touch_stay_two_and_their_contact_is_told(shoot: Shoot) -> None:
    shot = shoot("collision", 1, 64)
    tracks = shot.tracks()
    blow = min(contact.time for contact in shot.log.contacts)
    told = [event.frame for event in tracks.events if event.kind == "contact"]
    assert told and abs(min(told) - blow * 24) <= 2
    frame = min(told)
    assert all(frame in one.frames and frame + 1 in one.frames for one in tracks.objects)


RED, BLUE = (50.0, 60.0, 40.0), (40.0, 20.0, -60.0)


def blob(x: float, y: float, colour: tuple[float, float, float] = RED, area: float = 50.0) -> Blob:
    r = float((area / np.pi) ** 0.5)
    place, box = (float(x), float(y)), (x - r, y - r, x + r, y + r)
    return Blob(place, area, colour, np.zeros(3), np.zeros(4), box, 1, 1)


def followed(*frames: list[Blob], occluders: list[Box] | None = None) -> Association:
    boxes = occluders or []
    association = Association(Scenery(100, 100, boxes, len(boxes)))
    for frame, blobs in enumerate(frames):
        association.step(frame, blobs)
    return association


def test_two_that_cross_keep_their_colours() -> None:
    frames = [[blob(20 + 4 * f, 50 - f, BLUE), blob(80 - 4 * f, 50 + f, RED)] for f in range(16)]
    frames = [blobs[:: 1 if index % 2 else -1] for index, blobs in enumerate(frames)]  # in any order
    one, two = followed(*frames).tracklets
    for tracklet in (one, two):
        assert len(tracklet.frames) == 16 and not tracklet.absences
        assert len({found.colour for found in tracklet.blobs}) == 1


def test_an_object_that_changes_its_colour_in_its_place_is_the_same() -> None:
    (one,) = followed(*[[blob(20 + 3 * f, 50, RED if f < 5 else BLUE)] for f in range(10)]).tracklets
    assert len(one.frames) == 10
    jumped = followed(*[[blob(20 + 3 * f + 30 * (f > 4), 50, RED if f < 5 else BLUE)] for f in range(10)]).tracklets
    assert len(jumped) == 2  # the control: another colour elsewhere is another object


def test_a_lost_object_comes_back_as_itself_from_behind_an_occluder() -> None:
    frames = [[blob(20 + 3 * f, 50)] if not 6 <= f < 12 else [] for f in range(20)]
    (one,) = followed(*frames, occluders=[(34.0, 30.0, 54.0, 70.0)]).tracklets
    (absence,) = one.absences
    assert (absence.frame, absence.why, absence.until) == (6, "occluder", 12)
    assert len(one.frames) == 14


def test_who_vanishes_in_the_open_has_no_reason_and_who_goes_out_has() -> None:
    (gone,) = followed(*[[blob(20 + 3 * f, 50)] if f < 6 else [] for f in range(10)]).tracklets
    assert [(a.frame, a.why) for a in gone.absences] == [(6, "")] and gone.lost
    (left,) = followed(*[[blob(80 + 3 * f, 50)] if f < 6 else [] for f in range(10)]).tracklets
    assert [a.why for a in left.absences] == ["border"]


def test_who_comes_later_comes_from_the_border_or_from_nowhere() -> None:
    still = blob(50, 80, BLUE)
    edge = followed([still], [still], [still, blob(4, 20)], [still, blob(7, 20)])
    nowhere = followed([still], [still], [still, blob(40, 20)], [still, blob(43, 20)])
    assert [t.born for t in edge.tracklets] == ["start", "border"]
    assert [t.born for t in nowhere.tracklets] == ["start", ""]

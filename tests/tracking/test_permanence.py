"""What happens to objects: nothing unexplained in real physics, and everything that twins break."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from framefall.noise import Key
from framefall.tracking.tracker import track
from framefall.worlds.damage.placebos import PLACEBOS
from framefall.worlds.scenarios.registry import SCENARIOS
from framefall.worlds.violations.registry import VIOLATIONS, break_physics

Shoot = Callable[..., Any]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_unexplained_happens_in_clean_clips(scenario: str, shoot: Shoot) -> None:
    for index in range(1 if scenario == "pour" else 2):
        shot = shoot(scenario, index, 64, frames=40 if scenario == "pour" else 61)
        tracks = track(shot.video(), 24.0, scene=shot.known())
        assert len(tracks.objects) == len(shot.log.scene.bodies), index
        assert [event for event in tracks.events if not event.explained] == [], index
        assert tracks.coverage == 1.0 and tracks.measurable


@pytest.mark.parametrize("name", ["vanish", "blink", "teleport", "duplicate"])
@pytest.mark.parametrize("scenario", ["projectile", "uniform", "billiards", "light"])
def test_what_twins_break_is_unexplained(name: str, scenario: str, shoot: Shoot, world: Shoot) -> None:
    log = world(scenario, 0)
    twin = break_physics(log, name, Key(0, "t", f"{scenario}0"))
    shot = shoot(twin, size=64)
    tracks = track(shot.video(), 24.0, scene=shoot(scenario, 0, 64).known())
    frame = int(np.ceil(twin.violation_time * 24))
    broken = [event for event in tracks.events if not event.explained]
    assert any(abs(event.frame - frame) <= 2 for event in broken)
    if name == "vanish":
        assert [event.kind for event in broken] == ["death"]
        assert tracks.coverage < 0.95
    if name in ("blink", "teleport"):
        assert {"death", "reappearance"} <= {event.kind for event in broken}
    if name == "duplicate":
        assert len(tracks.objects) == len(log.scene.bodies) + 1


@pytest.mark.parametrize("scenario", ["occluder", "occluder_bounce"])
def test_another_colour_behind_an_occluder_is_the_same_object_with_another_colour(
    scenario: str, shoot: Shoot, world: Shoot
) -> None:
    """Tracking by colour would report that one object vanished, and that another came."""
    for index in range(4):
        log = world(scenario, index)
        twin = break_physics(log, "hidden_colour", Key(0, "t", f"{scenario}{index}"))
        shot = shoot(twin, size=64)
        tracks = track(shot.video(), 24.0, scene=shoot(scenario, index, 64).known())
        assert len(tracks.objects) == len(log.scene.bodies), index
        assert all(event.explained for event in tracks.events), index
        changed = [np.linalg.norm(one.colour[one.whole][-1] - one.colour[one.whole][0]) for one in tracks.objects]
        assert max(changed) > 30, index  # of the twin's body
        assert sorted(changed)[:-1] == [c for c in sorted(changed)[:-1] if c < 5]  # and of no other


def test_an_occlusion_is_told_with_its_end(shoot: Shoot) -> None:
    shot = shoot("occluder", 0, 64)
    events = [e for e in track(shot.video(), 24.0, scene=shot.known()).events if e.kind != "birth"]
    assert [(event.kind, event.by) for event in events[:2]] == [("occlusion", "occluder"), ("reappearance", "occluder")]
    seen = shot.whole(shot.log.scene.bodies[0].name)
    hidden = np.flatnonzero(~seen[: events[1].frame])
    assert hidden[0] <= events[0].frame <= events[1].frame <= hidden[-1] + 1


def test_an_occluder_nobody_told_of_is_found_by_its_edge(shoot: Shoot) -> None:
    shot = shoot("occluder", 0, 64)
    tracks = track(shot.video(), 24.0)
    assert len(tracks.objects) == 1
    assert all(event.explained for event in tracks.events)
    assert "occlusion" in {event.kind for event in tracks.events}


@pytest.mark.parametrize("name", ["hidden_vanish", "unentered"])
def test_who_never_comes_out_and_who_never_went_in_are_seen(name: str, shoot: Shoot, world: Shoot) -> None:
    twin = break_physics(world("occluder", 0), name, Key(0, "t", "occluder0"))
    tracks = track(shoot(twin, size=64).video(), 24.0, scene=shoot("occluder", 0, 64).known())
    assert any(not event.explained and event.by == "occluder" for event in tracks.events)


def test_partly_hidden_objects_do_not_count_as_whole(shoot: Shoot) -> None:
    shot = shoot("occluder", 0, 64)
    (one,) = track(shot.video(), 24.0, scene=shot.known()).objects
    assert one.whole.any() and not one.whole.all()
    assert not (one.whole & ~shot.whole(shot.log.scene.bodies[0].name)[one.frames]).any()


def test_balls_that_touch_stay_two_and_their_contact_is_told(shoot: Shoot) -> None:
    shot = shoot("collision", 1, 64)
    tracks = track(shot.video(), 24.0, scene=shot.known())
    blow = min(contact.time for contact in shot.log.contacts)
    told = [event.frame for event in tracks.events if event.kind == "contact"]
    assert told and abs(min(told) - blow * 24) <= 2
    frame = min(told)
    assert all(frame in one.frames and frame + 1 in one.frames for one in tracks.objects)


def test_expected_objects_that_nobody_saw_are_missing(shoot: Shoot) -> None:
    shot = shoot("projectile", 0, 64, frames=20)
    known = shot.known()
    more = type(known)(background=known.background, objects=2)
    assert track(shot.video(), 24.0, scene=more).coverage == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["noise", "gamma", "jpeg_95", "crop", "codec"])
def test_placebos_leave_objects_and_events_in_place(name: str, shoot: Shoot) -> None:
    for scenario in ("fall", "collision", "occluder_bounce"):
        shot = shoot(scenario, 0, 64)
        video, known = shot.video(), shot.known()
        clean = track(video, 24.0, scene=known)
        bytes_ = video.add(1).mul(127.5).round().byte()[0].numpy()
        changed = PLACEBOS[name](bytes_, Key(0, "p", scenario))
        placebo = track(_as_video(changed), 24.0, scene=known)
        assert len(placebo.objects) == len(clean.objects), scenario
        assert all(event.explained for event in placebo.events), scenario
        for one, two in zip(clean.objects, placebo.objects, strict=True):
            both = np.intersect1d(one.frames[one.whole], two.frames[two.whole])
            assert len(both) > 0.8 * one.whole.sum()
            moved = two.position[np.isin(two.frames, both)] - one.position[np.isin(one.frames, both)]
            away = np.median(moved, axis=0)
            # a crop shifts the whole picture by a pixel a side
            assert np.abs(away).max() < (1.2 if name == "crop" else 0.2)
            assert np.median(np.linalg.norm(moved - away, axis=1)) < 0.15


def test_the_twins_that_must_be_seen_exist() -> None:
    assert {"vanish", "blink", "teleport", "duplicate", "hidden_colour", "hidden_vanish", "unentered"} <= set(
        VIOLATIONS
    )


def _as_video(pixels: np.ndarray) -> Any:
    from framefall.video import from_pixels

    return from_pixels(pixels)[None]

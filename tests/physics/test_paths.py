"""Which trajectory is which body's, however it was cut or painted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from framefall.physics.paths import find_paths
from framefall.tracking.trajectory import Trajectory


def _part(one: Trajectory, kept: slice, **changes: object) -> Trajectory:
    names = ("frames", "position", "area", "colour", "shape", "whole")
    return replace(one, **{name: getattr(one, name)[kept] for name in names}, **changes)  # type: ignore[arg-type]


def test_a_body_that_the_tracker_lost_is_one_again_even_in_another_colour(clip: Callable[..., tuple]) -> None:
    _, truth = clip("occluder", 0)
    one = truth.ideal.objects[0]
    gap = int(np.flatnonzero(np.diff(one.frames) > 1)[0]) + 1
    other = _part(one, slice(gap, None))
    painted = replace(other, colour=other.colour + np.array([0.0, 60.0, -60.0]))
    tracks = replace(truth.ideal, objects=(_part(one, slice(gap)), painted, *truth.ideal.objects[1:]))
    path = find_paths(tracks, truth)[0]
    assert path.tracks == (0, 1)
    assert path.seen.sum() == len(one.frames)


def test_what_is_far_from_every_body_is_a_stranger(clip: Callable[..., tuple]) -> None:
    _, truth = clip("uniform", 1)
    one = truth.ideal.objects[0]
    far = replace(one, position=one.position + 8 * one.size)
    paths = find_paths(replace(truth.ideal, objects=(far,)), truth)
    assert [path.body for path in paths] == [truth.bodies[0].name, ""]
    assert not paths[0].seen.any()


def test_two_bodies_are_told_apart_whatever_order_they_were_found_in(clip: Callable[..., tuple]) -> None:
    _, truth = clip("collision", 0)
    swapped = replace(truth.ideal, objects=truth.ideal.objects[::-1])
    for body, path in zip(truth.bodies, find_paths(swapped, truth), strict=True):
        assert path.body == body.name
        assert np.allclose(path.position[path.seen], body.position[path.seen])

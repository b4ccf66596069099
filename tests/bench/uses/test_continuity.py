"""Joins, seams, kept pixels and colours of clips that are made up, so that every answer is known."""

import math

import numpy as np
import pytest

from framefall.bench.uses.continuity import alternating, join_ratio, kept_share, light, seam_ratio, steps


def even(count: int = 12, size: int = 8, by: int = 10) -> np.ndarray:
    """Grey frames, each brighter than the one before by as much."""
    levels = 20 + by * np.arange(count, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, size, size, 3)).copy()


def test_a_step_is_a_mean_difference_and_the_first_closes_the_loop() -> None:
    assert steps(even(4)) == pytest.approx(np.array([30, 10, 10, 10]) / 255)


def test_a_join_is_as_large_as_its_jump_and_others_do_not_count() -> None:
    clip = even()
    assert join_ratio(clip, (6,)) == pytest.approx(1.0)
    clip[6:] += 20
    assert join_ratio(clip, (6,)) == pytest.approx(3.0) and join_ratio(clip, (5,)) == pytest.approx(1.0)
    assert join_ratio(clip, (6, 3)) == pytest.approx(2.0)  # the mean of two
    few = clip[4:8]  # steps of 10, 30 and 10
    assert join_ratio(few, (1,)) == pytest.approx(0.5) and join_ratio(few, (1,), (2,)) == pytest.approx(1.0)
    assert join_ratio(even(12), (0,)) == pytest.approx(11.0)  # the last frame to the first


def test_where_nothing_moves_or_nothing_joins_there_is_nothing_to_say() -> None:
    assert math.isnan(join_ratio(even(by=0), (6,))) and math.isnan(join_ratio(even(), ()))
    assert math.isnan(join_ratio(even(2), (1,)))


def test_a_seam_is_seen_only_where_something_was_pasted() -> None:
    ramp = np.broadcast_to(8 * np.arange(16, dtype=np.uint8)[None, None, :, None], (3, 16, 16, 3)).copy()
    ramp = ramp + 8 * np.arange(16, dtype=np.uint8)[None, :, None, None]
    region = np.zeros((16, 16), bool)
    region[4:10, 4:10] = True
    assert seam_ratio(ramp, region) == pytest.approx(1.0)
    edge = region.copy()
    edge[:] = False
    edge[:, :5] = True  # to the left of one line
    pasted = np.where(edge[None, ..., None], ramp, ramp + 16)
    assert seam_ratio(pasted, edge) == pytest.approx(3.0)
    assert seam_ratio(pasted, edge.T) == pytest.approx(1.0) and math.isnan(seam_ratio(ramp, np.zeros((16, 16), bool)))
    assert math.isnan(seam_ratio(np.zeros_like(ramp), region))


def test_a_pixel_is_kept_if_every_channel_is() -> None:
    given, marks = even(2, 4), np.zeros((2, 4, 4), bool)
    marks[0] = True
    made = given.copy()
    made[1] = 0  # not marked
    assert kept_share(made, given, marks) == 1
    made[0, 0, 0, 2] += 1
    assert kept_share(made, given, marks) == 15 / 16
    assert math.isnan(kept_share(made, given, np.zeros_like(marks)))


def test_a_clip_changes_over_at_each_start() -> None:
    one, other = even(6, by=0), even(6, by=0) + 100
    assert (alternating(one, other, (2, 4))[:, 0, 0, 0] > 100).tolist() == [False, False, True, True, False, False]
    assert np.array_equal(alternating(one, other, ()), one)


def test_light_and_colour_fade_apart() -> None:
    red = np.zeros((2, 4, 4, 3), np.uint8)
    red[..., 0] = 200
    level, colour = light(red)
    assert level == pytest.approx(0.2126 * 200 / 255, abs=1e-4) and colour == 1.0
    assert light(red // 2) == pytest.approx((level / 2, 1.0), abs=1e-4)  # to black
    pale = red.copy()
    pale[..., 1:] = 100
    assert light(pale)[1] == pytest.approx(0.5)  # to grey
    assert light(np.zeros_like(red)) == (0.0, 0.0)

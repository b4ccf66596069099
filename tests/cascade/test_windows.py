"""Properties of the windows: every frame once, each told what it must be told, at any length."""

from collections.abc import Collection, Iterable
from itertools import islice, pairwise

import pytest

from framefall.cascade.windows import Window, anchors, looped, windows

CASES = [(size, history) for size, history in ((8, 3), (16, 6), (4, 1), (2, 0))]


def check(plan: Iterable[Window], total: int, size: int, known: Collection[int]) -> list[Window]:
    """Every frame is kept once; what is sampled lies in its window; a window is told something if it can be."""
    plan = list(plan)
    kept = sorted(frame for window in plan for frame in window.keep)
    assert kept == list(range(total))
    made: set[int] = set()
    for window in plan:
        if window.frames:
            assert len(window.frames) == size and set(window.keep) <= set(window.frames) and window.frames.start >= 0
            there = made | set(known)
            if made:
                assert there & (set(window.frames) - set(window.keep))  # the join is known to the network
        else:
            assert set(window.keep) <= set(known)
        made |= set(window.keep)
    return plan


@pytest.mark.parametrize(("size", "history"), CASES)
def test_every_frame_is_made_once_at_any_length(size, history):
    for total in range(1, 70):
        plan = check(windows(total, size, history), total, size, ()) if history else list(windows(total, size, 0))
        assert sum(len(window.keep) for window in plan) == total
        if total <= size:
            assert plan == [Window(range(size), range(total))]
        for before, after in pairwise(plan):
            assert before.keep.stop - after.frames.start >= history  # told at least so many


@pytest.mark.parametrize(("size", "history"), [(8, 3), (16, 6)])
@pytest.mark.parametrize(
    "known", [range(3), range(20, 25), range(44, 50), [0, 49], [30], [*range(5), *range(30, 40)], range(50)]
)
def test_known_frames_are_handed_on_and_the_gaps_are_filled(size, history, known):
    plan = check(windows(50, size, history, known), 50, size, known)
    sampled = {frame for window in plan if window.frames for frame in window.keep}
    assert not (sampled & set(known)) and sampled | set(known) == set(range(50))
    for window in plan:  # a window that ends at a known frame is told of it
        if window.frames and window.keep.stop in known:
            assert window.keep.stop in window.frames


def test_what_lies_before_the_first_known_frame_is_made_backward():
    plan = list(windows(40, 8, 3, range(30, 40)))
    backward = [window for window in plan if window.frames]
    assert [window.keep.stop for window in backward] == sorted((w.keep.stop for w in backward), reverse=True)
    assert backward[0].keep.stop == 30 and backward[-1].keep.start == 0
    forward = list(windows(40, 8, 3))
    assert [window.keep.start for window in forward] == sorted(window.keep.start for window in forward)


def test_a_clip_without_end_has_windows_without_end():
    plan = list(islice(windows(None, 8, 3), 100))
    assert [frame for window in plan for frame in window.keep] == list(range(8 + 99 * 5))


def test_a_new_prompt_begins_a_new_window():
    for cuts in ([3], [5, 6, 20], [40]):
        plan = check(windows(40, 8, 3, cuts=cuts), 40, 8, ())
        assert {cut for cut in cuts if cut < 40} <= {window.keep.start for window in plan}


@pytest.mark.parametrize(("size", "history"), [(8, 3), (16, 6)])
def test_the_last_window_of_a_loop_is_told_both_of_its_ends(size, history):
    for total in range(2, 60):
        *_, last = plan = list(looped(total, size, history))
        assert sorted(frame for window in plan for frame in window.keep) == list(range(total))
        assert last.keep.stop == total and total in last.frames  # frame `total` is frame 0


@pytest.mark.parametrize("history", [-1, 8])
def test_a_history_that_leaves_nothing_to_make_is_refused(history):
    with pytest.raises(ValueError, match="history must be at least 0 and below the window's 8 frames"):
        list(windows(20, 8, history))


def test_anchors_are_the_last_given_frames_or_the_first_of_the_scene():
    assert anchors(40, 2) == range(2)
    assert anchors(40, 2, known=range(10)) == range(8, 10)
    assert anchors(40, 2, known=[0, 50]) == range(1)  # what comes later is not looked back to
    assert anchors(40, 2, cuts=[12, 30, 60]) == range(30, 32)
    assert anchors(40, 2, known=range(10), cuts=[30]) == range(30, 32)  # another scene than the given one
    assert anchors(40, 2, known=range(31), cuts=[30]) == range(30, 31)
    assert len(anchors(40, 0)) == len(anchors(40, 0, known=range(10))) == 0

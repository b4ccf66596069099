from collections.abc import Iterator
from contextlib import closing

import pytest

from framefall.progress import Done, Events, Note, Started, Stepped, finish, noted, operation


@pytest.fixture
def left() -> list[str]:
    return []


@operation
def count(to: int, left: list[str] | None = None) -> Events[int]:
    """Counts, and says when it was left."""
    try:
        for number in range(to):
            yield Stepped(number + 1, to, "counting")
            if number == 1:
                yield Note("past one")
        return sum(range(to))
    finally:
        (left if left is not None else []).append("left")


def test_an_operation_called_is_its_result() -> None:
    assert count(4) == 6
    assert count.__name__ == "count" and count.__doc__ == "Counts, and says when it was left."


def test_an_operation_read_begins_and_ends_and_says_all_that_happens_between() -> None:
    events = list(count.events(3))
    assert events == [
        Started("count"),
        Stepped(1, 3, "counting"),
        Stepped(2, 3, "counting"),
        Note("past one"),
        Stepped(3, 3, "counting"),
        Done(3),
    ]
    assert finish(count.events(3)) == 3


def test_work_that_is_not_read_is_not_done(left: list[str]) -> None:
    run = count.events(3, left)
    assert left == []
    run.close()
    assert left == []  # it had not begun, so there is nothing to clean up


def test_cancelled_work_cleans_up_and_ends_without_a_result(left: list[str]) -> None:
    seen = []
    with closing(count.events(5, left)) as run:
        for event in run:
            seen.append(event)
            if isinstance(event, Stepped):
                break
    assert left == ["left"] and not any(isinstance(event, Done) for event in seen)
    assert count(5, left) == 10 and left == ["left", "left"]  # the control: all of it


def test_an_error_reaches_whoever_reads_and_whoever_calls() -> None:
    @operation
    def broken() -> Events[None]:
        yield Note("about to fail")
        raise ValueError("no such clip")

    events: Iterator[object] = broken.events()
    assert [next(events), next(events)] == [Started("broken"), Note("about to fail")]
    for fails in (lambda: next(events), broken):
        with pytest.raises(ValueError, match="no such clip"):
            fails()


def test_work_done_elsewhere_sends_back_its_notes_and_its_result() -> None:
    assert noted(count.inside, 3) == ([Note("past one")], 3)

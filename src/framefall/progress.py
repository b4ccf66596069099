"""Long work in one dialect: a generator of events that ends with its result, and a plain function that drains it.

Whoever reads the events decides what becomes of them: a bar, a web page, a log. Closing the generator cancels the
work; what it was about to publish is then left as it was.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, runtime_checkable

from framefall.video import Video

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Event:
    """Something that happened in long work."""


@dataclass(frozen=True)
class Started(Event):
    """The work has begun."""

    what: str


@dataclass(frozen=True)
class Stepped(Event):
    """How far the work is: `done` of `total`, in whatever it is counted in, and what is being done."""

    done: int | float
    total: int | float | None
    what: str


@dataclass(frozen=True)
class Preview(Event):
    """A video on its way."""

    what: str
    video: Video


@dataclass(frozen=True)
class Note(Event):
    """A sentence for whoever waits."""

    text: str


@dataclass(frozen=True)
class Done(Event, Generic[Result]):
    """The end of the work, with its result."""

    result: Result


Events = Generator[Event, None, Result]


def finish(run: Generator[Any, None, Result]) -> Result:
    """The result of work whose events nobody reads."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            result: Result = end.value
            return result


@runtime_checkable
class Each(Protocol):
    """Does a function for each of many items, wherever that is; the results come in the order of the items."""

    def __call__(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Result]:
        """The results."""
        ...


def noted(work: Callable[[Item], Events[Result]], item: Item) -> tuple[list[Note], Result]:
    """What work on an item says in sentences, and its result: for whoever does it elsewhere, and sends back both."""
    run, notes = work(item), list[Note]()
    while True:
        try:
            event = next(run)
            if isinstance(event, Note):
                notes.append(event)
        except StopIteration as end:
            return notes, end.value


class Operation(Generic[Parameters, Result]):
    """Long work that can be called for its result, or read event by event.

    `work(...)` does all of it and returns the result. `work.events(...)` yields `Started`, every event, and `Done`
    with the result. Made of a generator function by the decorator `operation`.
    """

    def __init__(self, function: Callable[Parameters, Events[Result]]) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        """The result, when all is done."""
        return finish(self._function(*args, **kwargs))

    def inside(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Events[Result]:
        """The events without their frame, for work that is a part of other work: `yield from part.inside(...)`."""
        return self._function(*args, **kwargs)

    def events(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Events[Result]:
        """Every event as it happens; closing the generator cancels."""
        run = self._function(*args, **kwargs)
        yield Started(self._function.__name__)
        result = yield from run
        yield Done(result)
        return result


def operation(function: Callable[Parameters, Events[Result]]) -> Operation[Parameters, Result]:
    """Decorator: a generator function of events as an `Operation`."""
    return Operation(function)

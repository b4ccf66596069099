"""Long work as a generator of steps that ends with its result."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Stepped:
    """How far the work is."""

    done: int
    total: int
    what: str


def finish(run: Generator[Stepped, None, Result]) -> Result:
    """The result of work whose steps nobody watches."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            result: Result = end.value
            return result

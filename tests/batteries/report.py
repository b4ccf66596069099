"""What a battery of a promise found: how often it was tried and held, and whether its control broke."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Report:
    """One promise, tried `tried` times; `hits` is how often the dangerous moment was met, at least `least_hits`."""

    name: str  # of the battery, and of the promise within it
    promise: str  # a sentence
    row: int | None = None  # of the table of promises, section 6 of the reliability notes
    tried: int
    held: int
    window: str = ""  # the dangerous moment, in words
    hits: int = 0
    least_hits: int = 0
    control: str  # the naive version that the same tries must break, in words
    control_tried: int
    control_broke: int  # how often it broke; once is enough
    broken: tuple[str, ...] = ()  # what did not hold, a line each
    figures: dict[str, Any] = field(default_factory=dict)  # whatever else was measured

    @property
    def passed(self) -> bool:
        """Every try held, the moment was met often enough, and the control is red."""
        return self.held == self.tried > 0 and self.hits >= self.least_hits and self.control_broke > 0

    def json(self) -> dict[str, Any]:
        """The same as an object for a file."""
        return asdict(self) | {"passed": self.passed}

"""On how many examples a property is tried, or on which: few in the fast run, all under `make test-full`."""

import os
from typing import TypeVar

T = TypeVar("T")


def examples(few: T, full: T) -> T:
    """`few`, or `full` where the environment says `FRAMEFALL_FULL=1`."""
    return full if int(os.environ.get("FRAMEFALL_FULL", 0)) else few

"""How many examples a property is tried on: few in the fast run, all of them under `make test-full`."""

import os


def examples(few: int, full: int) -> int:
    """`few`, or `full` where the environment says `FRAMEFALL_FULL=1`."""
    return full if int(os.environ.get("FRAMEFALL_FULL", 0)) else few

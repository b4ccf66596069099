"""How many examples a test of many looks at: a few by itself, all of them with FRAMEFALL_FULL=1."""

import os

FULL = os.environ.get("FRAMEFALL_FULL", "") not in ("", "0")


def examples(few: int, full: int) -> int:
    """So many examples; `make test-full` takes them all."""
    return full if FULL else few

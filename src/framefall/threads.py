"""How torch's threads wait for one another: passively, as OpenMP calls it, which is asleep.

A thread of torch that is done before the others waits for them by spinning for milliseconds. That is free on a core
that nobody else wants. On a machine that others use, the one that is waited for may not be running at all, and what
spins takes a core away from it: a clip of 2 s took a minute (docs/decisions/0023-threads-that-wait-asleep.md).
"""

import os
import sys

# what a user says how threads wait with: OpenMP's own variable, that of GNU's library, that of LLVM's and Intel's
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_passively() -> None:
    """Tells OpenMP that threads wait asleep, unless the environment says already how they wait.

    OpenMP reads it once, when torch is loaded: where that has happened this does nothing. Processes that are
    started later inherit it. The package calls it as its first act, so that every entry point does.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in VARIABLES):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

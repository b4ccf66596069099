"""Imported by the tests' processes: they do not wait for the disk, which alone would outlive a loss of power.

A loss of power is played from what was synced when (`test_publish.py`, `batteries/power.py`); `make test-full` waits.
"""

import os

from examples import examples

if not examples(0, 1):
    os.fsync = lambda descriptor: None  # type: ignore[assignment]

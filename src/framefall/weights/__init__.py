"""The cascades that ship inside the package, a folder each."""

from pathlib import Path

SHIPPED = Path(__file__).parent
DEFAULT = "pico"  # what everything uses that is told of no other

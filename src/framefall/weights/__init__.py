"""The cascades that ship inside the package, a folder each."""

from pathlib import Path

SHIPPED = Path(__file__).parent
DEFAULT = "worlds"  # what everything uses that is told of no other
FILMED = "pico"  # whose super-resolution was trained on filmed video: for videos that others made


def shipped() -> list[Path]:
    """The folder of each, the default's first."""
    return sorted((path.parent for path in SHIPPED.glob("*/manifest.json")), key=lambda one: (one.name != DEFAULT, one))

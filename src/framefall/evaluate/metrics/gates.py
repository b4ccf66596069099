"""Which numbers a clip wins by doing nothing, and the gates that void them.

A metric that likes a frozen, stalled or overly lively clip better than real video may stand only beside a gate that
sees it. A voided number becomes NaN with a reason in a sentence: it is shown, and never averaged.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

STILL_MOST = 0.9  # share of the clip; a longer stretch without anything happening is a frozen clip
RATIO = (0.25, 4.0)  # of dynamic degree to the reference's; outside it the two do not show the same thing
REPEATS_MOST = 0.4  # share of repeated frames; holding every frame twice is 0.5, and makes flicker 0


@dataclass(frozen=True)
class Gate:
    """A condition on one score under which others must not be read."""

    metric: str
    shut: Callable[[float], bool]  # never for NaN: what cannot be measured voids nothing
    reason: str  # with the score in braces


GATES: dict[str, Gate] = {
    "frozen": Gate(
        "longest_still",
        lambda share: share >= STILL_MOST,
        "nothing happens in {:.0%} of the clip, and stillness wins it",
    ),
    "repeating": Gate(
        "repeated_frames", lambda share: share > REPEATS_MOST, "{:.0%} of the frames are repeats, and repeats win it"
    ),
    "motion": Gate(
        "dynamic_ratio",
        lambda ratio: not RATIO[0] <= ratio <= RATIO[1],
        "there is {:.2g} times the reference's motion, and it must be between 0.25 and 4 times",
    ),
}

GATED: dict[str, tuple[str, ...]] = {
    name: ("frozen", "repeating", "motion")
    for name in (
        "flicker",
        "luminance_flicker",
        "warp_error",
        "unevenness",
        "frame_consistency",
    )
} | {"tof": ("motion",), "tfd": ("motion",), "stutter": ("frozen",), "cadence": ("frozen",)}
"""Metric name to the gates that void it. The set distances need none: a frozen set is far from a real one."""


def gated(scores: Mapping[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """One clip's scores with the voided ones as NaN, and why, by metric."""
    shut = {
        name: gate.reason.format(scores[gate.metric])
        for name, gate in GATES.items()
        if not math.isnan(scores.get(gate.metric, math.nan)) and gate.shut(scores[gate.metric])
    }
    reasons = {
        metric: next(shut[gate] for gate in GATED[metric] if gate in shut)
        for metric in scores
        if any(gate in shut for gate in GATED.get(metric, ()))
    }
    return {metric: math.nan if metric in reasons else value for metric, value in scores.items()}, reasons
